import type { PriceUpdate } from '../../domain/price-update.ts'
import { PriceHistory } from './price-history.ts'
import type { PriceCounts, Seat, SeatRow, Sink } from './price-seat.ts'

/**
 * The seats of one symbol. Most clients have every update so far and take each one: their seats follow. All followers
 * are at the same update, so the next one goes straight to their sinks. Their seats are not even read: of ten thousand
 * clients with a hundred symbols there are a million, and nearly each read would be a cache miss.
 *
 * An update is spread over the seats in parts, between which others have their turn.
 */
export class SymbolSeats implements SeatRow {
  readonly history = new PriceHistory()
  readonly #counts: PriceCounts
  /** Followers and their sinks, at the same index; undefined: the seat has left. */
  #followers: (Seat | undefined)[] = []
  #sinks: (Sink<PriceUpdate> | undefined)[] = []
  #left = 0
  /** Seats that do not follow: each knows how far it has come. */
  readonly #others = new Set<Seat>()
  /** While an update is being spread: the update before it, where followers from #at on still are. */
  #previous: PriceUpdate | undefined
  #at = 0
  /** The others that the update has not come to. */
  #rest: Iterator<Seat> | undefined

  constructor(counts: PriceCounts) {
    this.#counts = counts
  }

  /** `seat`: one that is not following. */
  add(seat: Seat): void {
    this.#others.add(seat)
  }

  delete(seat: Seat): void {
    if (seat.place === undefined) this.#others.delete(seat)
    else this.#clear(seat, seat.place)
  }

  /** Begins to spread an update. `remembered`: how many to remember at most. */
  begin(update: PriceUpdate, remembered: number): void {
    const previous = this.history.newest
    this.#compact()
    if (previous && previous.run !== update.run) for (const seat of this.#followers) if (seat) this.unfollow(seat)
    this.history.add(update, remembered)
    this.#previous = previous
    this.#at = 0
    this.#rest = undefined
  }

  /** Spreads the update over so many seats more. Returns how many there were; fewer: all have it. */
  goOn(most: number): number {
    const update = this.history.newest
    if (!update) throw new Error('no update has begun')
    // Whoever begins to follow now has the update.
    if (this.#rest) return this.#pushToOthers(update, most)
    const passed = this.#sendToFollowers(update, most)
    return passed === most ? passed : passed + this.#pushToOthers(update, most - passed)
  }

  unfollow(seat: Seat): void {
    const { place } = seat
    if (place === undefined) return
    const isBefore = this.#previous !== undefined && place >= this.#at
    this.#unfollow(seat, place, isBefore ? this.#previous : this.history.newest)
  }

  #sendToFollowers(update: PriceUpdate, most: number): number {
    const sinks = this.#sinks
    const first = this.#at
    const end = Math.min(first + most, sinks.length)
    let taken = 0
    for (let i = first; i < end; i++) {
      const sink = sinks[i]
      this.#at = i + 1
      if (sink === undefined) continue
      if (sink.take(update)) taken += 1
      else this.#notTaken(i, update)
    }
    this.#counts.delivered += taken
    return end - first
  }

  #unfollow(seat: Seat, place: number, at: PriceUpdate | undefined): void {
    this.#clear(seat, place)
    this.#others.add(seat)
    if (at) seat.hasCome(at)
  }

  #notTaken(place: number, update: PriceUpdate): void {
    const seat = this.#followers[place]
    if (!seat) return
    this.#unfollow(seat, place, this.#previous)
    seat.push(update)
  }

  #pushToOthers(update: PriceUpdate, most: number): number {
    // All followers have it: from now on a seat that follows is at this update.
    this.#previous = undefined
    this.#rest ??= this.#others.values()
    let passed = 0
    while (passed < most) {
      const { value: seat, done } = this.#rest.next()
      if (done) return passed
      seat.push(update)
      if (seat.mayFollow(update)) this.#follow(seat)
      passed += 1
    }
    return passed
  }

  #follow(seat: Seat): void {
    this.#others.delete(seat)
    seat.place = this.#followers.length
    this.#followers.push(seat)
    this.#sinks.push(seat.sink)
  }

  #clear(seat: Seat, place: number): void {
    seat.place = undefined
    this.#followers[place] = undefined
    this.#sinks[place] = undefined
    this.#left += 1
  }

  /** Done rarely, because it moves all the others. */
  #compact(): void {
    if (this.#left <= this.#followers.length / 2) return
    this.#followers = this.#followers.filter((seat) => seat !== undefined)
    this.#sinks = this.#sinks.filter((sink) => sink !== undefined)
    this.#left = 0
    for (const [place, seat] of this.#followers.entries()) if (seat) seat.place = place
  }
}
