#!/usr/bin/env bash
# dependency-cruiser 17.4.3 (18.7.2 too, on Node 24) with SWC 1.16.22 as its parser can't read a file that has a `using` declaration. The whole run ends with
# "Unknown statement type: UsingDeclaration", although SWC parses the file. Guessed before: the file is read like any other, as only
# its imports matter. SWC is the parser to choose beside TypeScript 7, which dependency-cruiser does not know yet.
# It comes from @swc/core's Visitor: dependency-cruiser walks the syntax tree with it, and it has no method for that statement.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund dependency-cruiser@17.4.3 @swc/core@1.16.22 --loglevel=error
mkdir src
echo "export const open = () => ({ [Symbol.dispose]() {} })" >src/resource.ts
printf "import { open } from './resource'\nconst resource = open()\nconsole.log(resource)\n" >src/plain.ts
printf "import { open } from './resource'\nusing resource = open()\nconsole.log(resource)\n" >src/using.ts
echo '{ "options": { "parser": "swc", "tsPreCompilationDeps": true, "enhancedResolveOptions": { "extensions": [".ts"] } } }' >config.json

npx node --input-type=module -e "
  import { readFileSync } from 'node:fs'
  import { parseSync } from '@swc/core'
  const { body } = parseSync(readFileSync('src/using.ts', 'utf8'), { syntax: 'typescript' })
  console.log('SWC itself:', body.map(({ type }) => type).join(' '))
" | tee parsed
plain=$(npx depcruise --config config.json src/plain.ts -T text)
echo "without using: $plain"
using=$(npx depcruise --config config.json src/using.ts -T text 2>&1 || true)
echo "with using: $using"

grep -q 'ImportDeclaration UsingDeclaration' parsed
grep -q 'src/plain.ts → src/resource.ts' <<<"$plain"
grep -q 'Unknown statement type: UsingDeclaration' <<<"$using"
