// A process of its own. argv: where to, a directory, the number of portions and the queries as JSON. Opens a connection for each
// query and prints a line. Each time that something comes on stdin it sends the next portion at once, and then makes a file in the
// directory with the portion's number. In the end it prints the answers.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'

const [api = '', directory = '', portions = '', queries = '[]'] = process.argv.slice(2)
const { hostname, port } = new URL(api)
const bodies = (JSON.parse(queries) as string[]).map((query) => JSON.stringify({ query }))
const sockets = bodies.map(() => connect({ host: hostname, port: Number(port) }))
await Promise.all(sockets.map((socket) => once(socket, 'connect')))
process.stdout.write('connected\n')

function send(body: string, i: number): { sent: Promise<unknown>; answer: Promise<unknown> } {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const createConnection = () => sockets[i] as Socket
  const outgoing = request(`${api}/graphql`, { method: 'POST', headers, createConnection })
  const read = async (): Promise<unknown> => {
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    return JSON.parse(Buffer.concat(await response.toArray()).toString())
  }
  const sent = once(outgoing, 'finish')
  outgoing.end(body)
  return { sent, answer: read() }
}

const size = Math.ceil(bodies.length / Number(portions))
const answers: Promise<unknown>[] = []
for (let portion = 0; portion < Number(portions); portion++) {
  await once(process.stdin, 'data')
  const from = portion * size
  const exchanges = bodies.slice(from, from + size).map((body, i) => send(body, from + i))
  answers.push(...exchanges.map(({ answer }) => answer))
  await Promise.all(exchanges.map(({ sent }) => sent))
  writeFileSync(join(directory, String(portion)), '')
}
process.stdout.write(JSON.stringify(await Promise.all(answers)))
for (const socket of sockets) socket.destroy()
