import { createServer } from 'node:http'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { GraphQLSchema } from 'graphql'
import { Registry } from 'prom-client'
import { createLogger } from '../../platform/logger.ts'
import type { Ports } from '../../resolvers/context.ts'
import { createGraphQL, graphqlPath } from '../pipeline/graphql.ts'
import { servePost } from '../pipeline/json-post.ts'

/**
 * Serves one operation as it would a client's, so that the first client does not wait until code is loaded, the schema
 * validated and so on. It has a pipeline, metrics and a log of its own, and a pair of streams instead of a port.
 * Resolves to the body of the answer.
 */
export async function rehearse(schema: GraphQLSchema, ports: Ports, query: string): Promise<string> {
  const graphql = createGraphQL({ schema, ports, log: createLogger('silent'), registry: new Registry() })
  const server = createServer((request, response) => servePost(graphql, request, response))
  const [client, socket] = duplexPair()
  server.emit('connection', socket)
  const body = JSON.stringify({ query })
  const head = ['host: rehearsal', 'connection: close', 'content-type: application/json']
  client.write(
    `POST ${graphqlPath} HTTP/1.1\r\n${head.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  const answer = await text(client)
  return answer.slice(answer.indexOf('\r\n\r\n') + 4)
}
