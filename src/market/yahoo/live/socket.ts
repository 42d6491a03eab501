import { WebSocket } from 'ws'

/** The events of a connection, in this order: opened at most once, then messages, then closed, which is the last. */
export interface StreamEvents {
  opened(): void
  message(text: string): void
  /** The connection could not be opened, broke, or was closed by the other side. May be called twice. */
  closed(reason: string): void
}

export interface StreamSocket {
  send(text: string): void
  /** Ends the connection at once, whatever its state. */
  end(): void
}

/** May throw, which counts as closed. Fires no event before it has returned. */
export type OpenStream = (url: string, events: StreamEvents) => StreamSocket

/** Yahoo's frames have some hundred bytes. */
const maxMessageBytes = 64 * 1024

/**
 * Uses `ws`: Node's own WebSocket does not limit the size of a message, and cannot be ended without the other side's
 * consent.
 */
export const openWebSocket: OpenStream = (url, events) => {
  const socket = new WebSocket(url, { maxPayload: maxMessageBytes, perMessageDeflate: false })
  socket.on('open', () => events.opened())
  socket.on('message', (data) => events.message(String(data)))
  socket.on('error', ({ message }) => events.closed(message))
  socket.on('close', (code) => events.closed(`closed with ${code}`))
  return {
    send: (text) => socket.send(text),
    end() {
      // The close frame is a courtesy: nobody waits for its answer.
      if (socket.readyState === WebSocket.OPEN) socket.close(1000)
      socket.terminate()
    },
  }
}
