import { maxAliasesPlugin } from '@escape.tech/graphql-armor-max-aliases'
import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth'
import { maxDirectivesPlugin } from '@escape.tech/graphql-armor-max-directives'
import { type ExecutionResult, GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { refuseCostly } from './document-bounds.ts'
import { codeOf } from './mask-error.ts'

/**
 * Limits of one operation, on every transport. Operations beyond them are refused with BAD_USER_INPUT before they
 * execute.
 */
const limits = { tokens: 1500, aliases: 200, depth: 12, directives: 50 }

/** The longest body of an HTTP request. */
export const maxBodyBytes = 256 * 1024
/** Errors in one answer, or in one event of a subscription. The last says how many are left out. */
const maxErrors = 100

export const limitPlugins = (): Plugin[] => [
  {
    onParse({ parseFn, setParseFn }) {
      setParseFn((source, options) => {
        // The most deeply nested document of about 2,500 tokens would overflow the parser's stack.
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

/** Returns at most 100 errors. If there are more, the last one says how many are left out. */
export function boundedErrors(errors: readonly GraphQLError[]): readonly GraphQLError[] {
  if (errors.length <= maxErrors) return errors
  const shown = errors.slice(0, maxErrors - 1)
  const message = `${errors.length - shown.length} more errors are left out`
  return [...shown, new GraphQLError(message, { extensions: { code: codeOf(errors[shown.length]) } })]
}
