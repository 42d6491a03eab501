import { maxAliasesPlugin } from '@escape.tech/graphql-armor-max-aliases'
import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth'
import { maxDirectivesPlugin } from '@escape.tech/graphql-armor-max-directives'
import { type ExecutionResult, GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { refuseCostly } from './document-bounds.ts'
import { codeOf } from './mask-error.ts'

/** How much one operation may ask, on every transport. Refused as BAD_USER_INPUT before anything is executed. */
const limits = { tokens: 1500, aliases: 200, depth: 12, directives: 50 }

/** Bytes of an HTTP request's body. */
export const maxBodyBytes = 256 * 1024
/** Of one answer, or one event of a subscription: what is left out is said in the last of them. */
const maxErrors = 100

export const limitPlugins = (): Plugin[] => [
  {
    onParse({ parseFn, setParseFn }) {
      setParseFn((source, options) => {
        // Of more than about 2,500 tokens the parser's stack would not hold the most deeply nested.
        const document = parseFn(source, { ...options, maxTokens: limits.tokens })
        refuseCostly(document)
        return document
      })
    },
    onValidate() {
      return ({ result, setResult }) => setResult([...boundedErrors(result as readonly GraphQLError[])])
    },
    onExecute: () => ({ onExecuteDone: boundedResult }),
    onSubscribe: () => ({ onSubscribeResult: () => ({ onNext: boundedResult }) }),
  },
  maxAliasesPlugin({ n: limits.aliases, allowList: [] }) as Plugin,
  maxDepthPlugin({ n: limits.depth, ignoreIntrospection: true, flattenFragments: true }) as Plugin,
  maxDirectivesPlugin({ n: limits.directives }) as Plugin,
]

interface ResultHook {
  readonly result: unknown
  readonly setResult: (result: never) => void
}

function boundedResult({ result, setResult }: ResultHook): void {
  const { errors } = result as ExecutionResult
  if (errors && errors.length > maxErrors) setResult({ ...(result as object), errors: boundedErrors(errors) } as never)
}

/** At most 100 errors: where there are more, the last one says how many are left out. */
export function boundedErrors(errors: readonly GraphQLError[]): readonly GraphQLError[] {
  if (errors.length <= maxErrors) return errors
  const shown = errors.slice(0, maxErrors - 1)
  const message = `${errors.length - shown.length} more errors are left out`
  return [...shown, new GraphQLError(message, { extensions: { code: codeOf(errors[shown.length]) } })]
}
