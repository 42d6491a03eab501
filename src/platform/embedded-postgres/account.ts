import { existsSync, readFileSync, statSync } from 'node:fs'

/** The user that Postgres runs as. null: the current one. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/**
 * Postgres refuses to run as root. If started by root, it runs as the owner of existing data, else as the user
 * `postgres`, else as `nobody`.
 */
export function postgresAccount(dataDirectory: string): Account | null {
  if (process.getuid?.() !== 0) return null
  if (existsSync(dataDirectory)) {
    const { uid, gid } = statSync(dataDirectory)
    if (uid !== 0) return { uid, gid }
  }
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const user = users.find((fields) => fields[0] === name)
    if (user) return { uid: Number(user[2]), gid: Number(user[3]) }
  }
  throw new Error(
    'Postgres cannot run as root, and this machine has neither a user postgres nor nobody: set DATABASE_URL',
  )
}
