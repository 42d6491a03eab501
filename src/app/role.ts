export const roles = ['all', 'api', 'worker', 'ingest', 'migrate'] as const

/** Which parts of Finstage run in a process. */
export type Role = (typeof roles)[number]

export const isRole = (text: string): text is Role => (roles as readonly string[]).includes(text)
