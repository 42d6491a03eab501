// A process of its own. argv: where to, which file to make when all is sent, and the queries as JSON. Opens a connection for each
// query and prints a line; when anything comes on stdin it sends all queries at once, and prints the answers.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'

const [api = '', sent = '', queries = '[]'] = process.argv.slice(2)
const { hostname, port } = new URL(api)
const bodies = (JSON.parse(queries) as string[]).map((query) => JSON.stringify({ query }))
const sockets = bodies.map(() => connect({ host: hostname, port: Number(port) }))
await Promise.all(sockets.map((socket) => once(socket, 'connect')))
process.stdout.write('connected\n')
await once(process.stdin, 'data')
const requests = bodies.map((body, i) => {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const createConnection = () => sockets[i] as NonNullable<(typeof sockets)[number]>
  const outgoing = request(`${api}/graphql`, { method: 'POST', headers, createConnection })
  outgoing.end(body)
  return outgoing
})
const answers = Promise.all(
  requests.map(async (outgoing) => {
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    return JSON.parse(Buffer.concat(await response.toArray()).toString())
  }),
)
await Promise.all(requests.map((outgoing) => outgoing.writableFinished || once(outgoing, 'finish')))
writeFileSync(sent, '')
process.stdout.write(JSON.stringify(await answers))
for (const socket of sockets) socket.destroy()
