#!/usr/bin/env bash
# indicatorts 2.2.2: its MFI and its CCI are other figures than those of that name.
# Guess before the run: as defined (Quong and Soudack 1989; Lambert 1980), and as technicalindicators and trading-signals have them.
# Seen: MFI takes a day as positive if price x volume has risen, not if the typical price has. CCI takes each day's distance from the
# average of its own 20 days, where Lambert takes all distances from the average of today's. On the 60 days below MFI(14) is 17.82
# instead of 43.80 and CCI(20) is -57.4 instead of -69.2. Both also begin with the first day, from fewer days than their period.
# Fails where that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-fund --no-audit indicatorts@2.2.2
cat >seen.mjs <<'JS'
import { cci, mfi } from 'indicatorts'

const days = Array.from({ length: 60 }, (_, i) => 100 + 8 * Math.sin(i / 5) + 2 * Math.sin(i * 1.9))
const [high, low] = [days.map((close) => close + 1), days.map((close) => close - 1)]
const volume = days.map((_, i) => 1000 + ((i * 7919) % 900))
const last = days.length - 1
// High and low lie evenly around the close, so the typical price is the close.
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
const flow = days.map((close, i) => close * volume[i])
const share = (isPositive) => {
  let [positive, all] = [0, 0]
  for (let i = last - 13; i <= last; i++) {
    all += flow[i]
    if (isPositive(i)) positive += flow[i]
  }
  return (100 * positive) / all
}
const average = (i) => mean(days.slice(i - 19, i + 1))
const distance = (from) => mean(days.slice(-20).map((close, i) => Math.abs(close - from(last - 19 + i))))
const index = (from) => (days[last] - average(last)) / (0.015 * distance(from))
const expected = {
  mfi: share((i) => days[i] > days[i - 1]),
  mfiByFlow: share((i) => flow[i] > flow[i - 1]),
  cci: index(() => average(last)),
  cciByOwnAverages: index(average),
}
const seen = { mfi: mfi(high, low, days, volume, { period: 14 })[last], cci: cci(high, low, days, { period: 20 })[last] }
console.log('defined', expected.mfi.toFixed(2), expected.cci.toFixed(1), 'seen', seen.mfi.toFixed(2), seen.cci.toFixed(1))
const isSame = (a, b) => Math.abs(a - b) < 1e-6
process.exit(isSame(seen.mfi, expected.mfiByFlow) && isSame(seen.cci, expected.cciByOwnAverages) ? 0 : 1)
JS
node seen.mjs
