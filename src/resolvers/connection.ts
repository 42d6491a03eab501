import { badInput } from '../domain/errors.ts'
import { bounded } from './bounds.ts'

/** A page of a list: https://relay.dev/graphql/connections.htm */
export interface Connection<Node> {
  readonly edges: { readonly node: Node; readonly cursor: string }[]
  readonly pageInfo: {
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string | null
    readonly endCursor: string | null
  }
}

export interface PageArgs {
  readonly first: number
  readonly after?: string | null | undefined
}

/** How a list encodes its cursors. */
export interface Cursors<Node, Place extends readonly number[]> {
  /** Cursors of a list with another name are refused. */
  readonly name: string
  /** The whole numbers by which the list is ordered. */
  readonly placeOf: (node: Node) => Place
  readonly placeLength: Place['length']
}

/**
 * Returns the requested page. `load` returns the nodes after a place (null: from the start), at most `limit`.
 * Rejects with BAD_USER_INPUT if `first` is not 1 to 100 or `after` is not a cursor of this list.
 */
export async function connection<Node, Place extends readonly number[]>(
  { first, after }: PageArgs,
  cursors: Cursors<Node, Place>,
  load: (page: { readonly after: Place | null; readonly limit: number }) => Promise<readonly Node[]>,
): Promise<Connection<Node>> {
  const count = bounded(first, 1, 100, 'first')
  const found = await load({ after: after == null ? null : placeAt(after, cursors), limit: count + 1 })
  const edges = found.slice(0, count).map((node) => ({ node, cursor: cursorOf(node, cursors) }))
  return {
    edges,
    pageInfo: {
      hasNextPage: found.length > count,
      hasPreviousPage: after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}

const cursorOf = <Node, Place extends readonly number[]>(node: Node, { name, placeOf }: Cursors<Node, Place>): string =>
  Buffer.from([name, ...placeOf(node)].join(' ')).toString('base64url')

/**
 * Positions, and instants with a year of four digits in milliseconds. No list has others, and Postgres accepts no
 * others.
 */
const isPlace = (number: number): boolean => number >= -62_135_596_800_000 && number < 253_402_300_800_000

function placeAt<Node, Place extends readonly number[]>(
  cursor: string,
  { name, placeLength }: Cursors<Node, Place>,
): Place {
  const [found, ...numbers] = Buffer.from(cursor, 'base64url').toString().split(' ')
  const isWhole = numbers.every((number) => /^-?\d{1,15}$/.test(number) && isPlace(Number(number)))
  if (found !== name || numbers.length !== placeLength || !isWhole) {
    throw badInput('after is not a cursor of this list', 'after')
  }
  return numbers.map(Number) as readonly number[] as Place
}
