import assert from 'node:assert/strict'
import { test } from 'node:test'

/** What a module exports; nothing where there is no such module any more. */
const exportsOf = async (name: string): Promise<Record<string, unknown>> => {
  try {
    return (await import(name)) as Record<string, unknown>
  } catch {
    return {}
  }
}

test('yahoo-finance2 still exports what src/market/yahoo/calls/session.ts relies on', async () => {
  const { default: getCrumb } = await exportsOf('yahoo-finance2/lib/getCrumb')
  assert.equal(typeof getCrumb, 'function', 'yahoo-finance2/lib/getCrumb no longer exports getCrumb by default')
  const { ExtendedCookieJar } = await exportsOf('yahoo-finance2/lib/cookieJar')
  assert.equal(
    typeof ExtendedCookieJar,
    'function',
    'yahoo-finance2/lib/cookieJar no longer exports the class ExtendedCookieJar',
  )
  const { prototype } = ExtendedCookieJar as { readonly prototype: Record<string, unknown> }
  for (const name of ['getCookieString', 'setFromSetCookieHeaders']) {
    assert.equal(
      typeof prototype[name],
      'function',
      `the cookie jar of yahoo-finance2 no longer has the method ${name}`,
    )
  }
})
