import { FinstageError } from '../domain/errors.ts'

/** Starts a server. If it can't listen, rejects with a sentence that names the setting to change. */
export async function listening(start: () => Promise<void>, host: string, name: string, port: number): Promise<void> {
  try {
    await start()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') throw new Error(`port ${port} is in use: set ${name} to another`, { cause })
    throw new Error(`HOST=${host} and ${name}=${port} can't be listened on: ${message}`, { cause })
  }
}

/** Runs `work`. If it fails, rejects with the name of the setting that it used and the reason. */
export async function naming<T>(setting: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    // A client gets the general message; whoever starts the server needs the reason behind it.
    const reason = cause instanceof FinstageError && cause.cause ? cause.cause : cause
    throw new Error(`${setting}: ${(reason as Error).message || (reason as NodeJS.ErrnoException).code}`, { cause })
  }
}
