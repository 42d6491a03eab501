const [width, height, margin] = [900, 420, 50]
/** Powers of two from 1/16 to 16, each in four parts. */
const [lowest, highest, parts] = [-4, 4, 4]

/** How often each ratio occurs, on a logarithmic scale, as SVG, with lines at the bounds. */
export function histogramOf(
  ratios: readonly number[],
  { least, most, never }: { readonly least: number; readonly most: number; readonly never: number },
): string {
  const bins = new Array<number>((highest - lowest) * parts).fill(0)
  for (const ratio of ratios) {
    const at = Math.floor((Math.log2(ratio) - lowest) * parts)
    const bin = Math.max(0, Math.min(bins.length - 1, at))
    bins[bin] = (bins[bin] ?? 0) + 1
  }
  const tallest = Math.max(1, ...bins)
  const barWidth = (width - 2 * margin) / bins.length
  const x = (ratio: number): number => margin + (Math.log2(ratio) - lowest) * parts * barWidth
  const y = (count: number): number => height - margin - (count / tallest) * (height - 2 * margin)
  const inside = (bin: number): boolean => {
    const middle = 2 ** (lowest + (bin + 0.5) / parts)
    return middle >= least && middle <= most
  }
  const bars = bins.map((count, i) => {
    const fill = inside(i) ? '#2f7d5b' : '#b5532f'
    return `<rect x="${margin + i * barWidth}" y="${y(count)}" width="${barWidth - 1}" height="${height - margin - y(count)}" fill="${fill}"/>`
  })
  const lines = [least, 1, most, never].map(
    (ratio) =>
      `<line x1="${x(ratio)}" x2="${x(ratio)}" y1="${margin - 10}" y2="${height - margin}" stroke="#555" stroke-dasharray="4 3"/>` +
      `<text x="${x(ratio)}" y="${margin - 15}" text-anchor="middle">${ratio}</text>`,
  )
  const ticks = Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i).map(
    (power) =>
      `<text x="${x(2 ** power)}" y="${height - margin + 18}" text-anchor="middle">${power < 0 ? `1/${2 ** -power}` : 2 ** power}</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...bars,
    ...lines,
    ...ticks,
    `<text x="${width / 2}" y="${height - 10}" text-anchor="middle">measured CPU ÷ estimate, ${ratios.length} operations (the highest bar: ${tallest})</text>`,
    '</svg>',
    '',
  ].join('\n')
}
