/** SQL for a timestamp as epoch milliseconds. */
export const epochMs = (expression: string): string => `floor(extract(epoch FROM ${expression}) * 1000)::float8`
