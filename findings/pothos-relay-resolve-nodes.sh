#!/usr/bin/env bash
# @pothos/plugin-relay 4.8.1: `nodesQueryOptions.resolve` gets a function `resolveNodes(ids)`, typed to take ids. What it is given is
# ignored: it loads the ids of the field's own argument.
# Guess before the run: resolveNodes(['Thing:b']) gives one node, b.
# Seen: asked for a and b, it gives both, in the order of the argument. So ids can't be left out, put in order or made distinct there:
# whoever does, and goes by the places of what he handed over, answers with other nodes than were asked for.
# Fails where that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-fund --no-audit graphql@16.15.0 @pothos/core@4.15.1 @pothos/plugin-relay@4.8.1
cat >seen.cjs <<'JS'
const { graphql } = require('graphql')
const SchemaBuilder = require('@pothos/core').default
const RelayPlugin = require('@pothos/plugin-relay').default

const builder = new SchemaBuilder({
  plugins: [RelayPlugin],
  relay: {
    nodesQueryOptions: {
      // Of all that is asked for, only the last one is handed over.
      resolve: (_root, { ids }, _context, _info, resolveNodes) => resolveNodes(ids.slice(-1)),
    },
  },
})
builder.queryType()
const Thing = builder.objectRef('Thing')
builder.node(Thing, {
  id: { resolve: ({ name }) => name },
  loadOne: (name) => ({ name }),
  isTypeOf: () => true,
  fields: (t) => ({ name: t.exposeString('name', {}) }),
})
const ids = ['a', 'b'].map((name) => Buffer.from(`Thing:${name}`).toString('base64'))
graphql({
  schema: builder.toSchema(),
  source: 'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Thing { name } } }',
  variableValues: { ids },
  contextValue: {},
}).then(({ data, errors }) => console.log(JSON.stringify(errors ? errors.map(String) : data.nodes)))
JS
seen=$(node seen.cjs)
echo "handed over: [b]; nodes: $seen"
[ "$seen" = '[{"name":"a"},{"name":"b"}]' ]
