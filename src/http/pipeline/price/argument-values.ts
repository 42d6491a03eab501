import {
  type FieldNode,
  type GraphQLArgument,
  type GraphQLField,
  Kind,
  type OperationDefinitionNode,
  type ValueNode,
  valueFromASTUntyped,
} from 'graphql'
import type { PricedArgs } from '../../../schema/price/price.ts'
import { readerOf } from './argument-reader.ts'

/** As a request has them: neither checked nor coerced, without defaults. */
export type Variables = Readonly<Record<string, unknown>>

type Value =
  | { readonly isConstant: true; readonly value: unknown }
  | { readonly isConstant: false; readonly of: (variables: Variables) => unknown }

/** The variables of a request with the defaults that the operation has for them. */
export function variablesWithDefaults({
  variableDefinitions,
}: OperationDefinitionNode): (given: Variables) => Variables {
  const defaults: Record<string, unknown> = Object.create(null)
  for (const { variable, defaultValue } of variableDefinitions ?? []) {
    if (defaultValue) defaults[variable.name.value] = valueFromASTUntyped(defaultValue)
  }
  const names = Object.keys(defaults)
  if (names.length === 0) return (given) => given
  return (given) => {
    const filled: Record<string, unknown> = { ...given }
    for (const name of names)
      if (!Object.hasOwn(filled, name) || filled[name] === undefined) filled[name] = defaults[name]
    return filled
  }
}

/** The value of an argument in a document, as JSON would have it. */
export function argumentValue(node: ValueNode): Value {
  if (node.kind === Kind.VARIABLE) {
    const name = node.name.value
    return { isConstant: false, of: (variables) => (Object.hasOwn(variables, name) ? variables[name] : undefined) }
  }
  if (hasVariable(node)) return { isConstant: false, of: (variables) => valueFromASTUntyped(node, { ...variables }) }
  return { isConstant: true, value: valueFromASTUntyped(node) }
}

/** The arguments of a field by the variables of a request, as far as they can be read, with the defaults of the schema. */
export function argumentsOf(
  field: GraphQLField<unknown, unknown>,
  { arguments: nodes = [] }: FieldNode,
): (variables: Variables) => PricedArgs {
  const constant: Record<string, unknown> = {}
  const varying: { readonly name: string; readonly usual: unknown; readonly of: (variables: Variables) => unknown }[] =
    []
  for (const arg of field.args) {
    const usual = defaultOf(arg)
    const given = nodes.find(({ name }) => name.value === arg.name)
    const value = given && argumentValue(given.value)
    if (!value) constant[arg.name] = usual
    else {
      const read = readerOf(arg.type)
      if (value.isConstant) constant[arg.name] = read(value.value)
      else varying.push({ name: arg.name, usual, of: (variables) => read(value.of(variables)) })
    }
  }
  if (varying.length === 0) return () => constant
  return (variables) => {
    const args: Record<string, unknown> = { ...constant }
    for (const { name, usual, of } of varying) args[name] = of(variables) ?? usual
    return args
  }
}

function defaultOf({ default: given, defaultValue }: GraphQLArgument): unknown {
  if (!given) return defaultValue
  return 'literal' in given && given.literal ? valueFromASTUntyped(given.literal) : given.value
}

function hasVariable(value: ValueNode): boolean {
  if (value.kind === Kind.LIST) return value.values.some(hasVariable)
  if (value.kind === Kind.OBJECT) return value.fields.some((field) => hasVariable(field.value))
  return value.kind === Kind.VARIABLE
}
