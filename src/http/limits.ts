import { maxAliasesPlugin } from '@escape.tech/graphql-armor-max-aliases'
import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth'
import { maxDirectivesPlugin } from '@escape.tech/graphql-armor-max-directives'
import type { Plugin } from 'graphql-yoga'

/** How much one operation may ask, on every transport. Refused as BAD_USER_INPUT before anything is executed. */
const limits = { tokens: 4000, aliases: 200, depth: 12, directives: 50 }

/** Bytes of an HTTP request's body. */
export const maxBodyBytes = 256 * 1024
/** Bytes of one WebSocket message. */

export const limitPlugins = (): Plugin[] => [
  {
    onParse({ parseFn, setParseFn }) {
      setParseFn((source, options) => parseFn(source, { ...options, maxTokens: limits.tokens }))
    },
  },
  maxAliasesPlugin({ n: limits.aliases, allowList: [] }) as Plugin,
  maxDepthPlugin({ n: limits.depth, ignoreIntrospection: true, flattenFragments: true }) as Plugin,
  maxDirectivesPlugin({ n: limits.directives }) as Plugin,
]
