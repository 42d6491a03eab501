/** How long the lists of introspection are on average, with some margin. */
export const introspectedLengths: Readonly<Record<string, number>> = {
  types: 100,
  fields: 8,
  args: 1,
  directives: 6,
  inputFields: 2,
  enumValues: 4,
  possibleTypes: 2,
  interfaces: 1,
}
