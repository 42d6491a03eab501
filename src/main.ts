import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// Stripping types and compiling take a third of a start: the next one finds their results here. Whoever may write there
// may change the packages anyway. If Node cannot use the directory, it starts without. Threads read the variable.
process.env.NODE_COMPILE_CACHE ||= fileURLToPath(new URL('../node_modules/.cache/finstage', import.meta.url))
enableCompileCache(process.env.NODE_COMPILE_CACHE)

// Static imports would be compiled before the cache is in use.
const { run } = await import('./program.ts')
await run(process.argv.slice(2))
