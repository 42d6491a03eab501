import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One alert as Alertmanager delivers it. */
export interface Delivery {
  readonly name: string
  readonly status: 'firing' | 'resolved'
  readonly labels: Readonly<Record<string, string>>
  readonly summary: string
  /** By performance.now(). */
  readonly atMs: number
}

export interface Receiver {
  readonly url: string
  readonly deliveries: readonly Delivery[]
  /** Whether an alert of this name fires, as far as has been delivered. */
  isFiring(name: string): boolean
  /** The first delivery since then; null: none within that time. */
  delivery(name: string, status: Delivery['status'], sinceMs: number, withinMs: number): Promise<Delivery | null>
  close(): void
}

interface Webhook {
  readonly alerts: readonly {
    readonly status: Delivery['status']
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }[]
}

/** Takes what Alertmanager delivers to a webhook. */
export async function startReceiver(): Promise<Receiver> {
  const deliveries: Delivery[] = []
  /** By all labels of an alert. */
  const firing = new Map<string, string>()
  const server = createServer(async (request, response) => {
    const { alerts } = JSON.parse(Buffer.concat(await request.toArray()).toString()) as Webhook
    response.end()
    for (const { status, labels, annotations } of alerts) {
      const name = labels.alertname ?? ''
      const key = JSON.stringify(labels)
      if (status === 'resolved') firing.delete(key)
      // Alertmanager repeats the alerts of a group that still fire.
      else if (firing.has(key)) continue
      else firing.set(key, name)
      deliveries.push({ name, status, labels, summary: annotations.summary ?? '', atMs: performance.now() })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const isFiring = (name: string): boolean => [...firing.values()].includes(name)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    deliveries,
    isFiring,
    async delivery(name, status, sinceMs, withinMs) {
      const untilMs = performance.now() + withinMs
      for (;;) {
        const found = deliveries.find((each) => each.name === name && each.status === status && each.atMs >= sinceMs)
        // Of several alerts of one name, the last has to be resolved.
        if (found && (status === 'firing' || !isFiring(name))) {
          return status === 'firing' ? found : (deliveries.findLast((each) => each.name === name) ?? null)
        }
        if (performance.now() > untilMs) return null
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    },
    close: () => void server.close(),
  }
}
