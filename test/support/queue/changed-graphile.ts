import { registerHooks } from 'node:module'

/**
 * Loads graphile-worker with other words in its code, as another version might have them. Call it before anything that
 * imports graphile-worker is imported. Returns which of the words were never found.
 */
export function changeGraphileWorker(changes: Readonly<Record<string, string>>): () => string[] {
  const missing = new Set(Object.keys(changes))
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (!url.includes('/node_modules/graphile-worker/dist/')) return loaded
      const { source: code = '' } = loaded
      let source = typeof code === 'string' ? code : Buffer.from(code as Uint8Array).toString()
      for (const [before, after] of Object.entries(changes)) {
        if (!source.includes(before)) continue
        missing.delete(before)
        source = source.replaceAll(before, () => after)
      }
      return { ...loaded, source }
    },
  })
  return () => [...missing]
}
