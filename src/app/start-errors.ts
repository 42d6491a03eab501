import { FinstageError } from '../domain/errors.ts'

/** Rejects with a sentence that names the setting to change where a server can't listen. */
export async function listening(start: () => Promise<void>, host: string, name: string, port: number): Promise<void> {
  try {
    await start()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') throw new Error(`port ${port} is in use: set ${name} to another`, { cause })
    throw new Error(`HOST=${host} and ${name}=${port} can't be listened on: ${message}`, { cause })
  }
}

/** Rejects with the setting by whose value `work` has failed, and why. */
export async function naming<T>(setting: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    // For who starts it, unlike for a client, the reason counts.
    const reason = cause instanceof FinstageError && cause.cause ? cause.cause : cause
    throw new Error(`${setting}: ${(reason as Error).message || (reason as NodeJS.ErrnoException).code}`, { cause })
  }
}
