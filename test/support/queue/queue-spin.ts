/** Runs in a thread: an endless loop that shows in `count` that it goes on. */
export function spin(count: Int32Array): never {
  for (;;) Atomics.add(count, 0, 1)
}
