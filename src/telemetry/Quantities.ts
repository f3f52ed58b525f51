/**
 * Amounts of bytes and time as people read them, short.
 */

const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const

const unitOf = (bytes: number): number => {
  let unit = 0
  // 1023.96 KiB would be printed as 1024.0.
  while (unit < units.length - 1 && bytes / 1024 ** unit >= 999.95) unit++
  return unit
}

const inUnit = (bytes: number, unit: number): string => (unit === 0 ? String(Math.round(bytes)) : (bytes / 1024 ** unit).toFixed(1))

/** `1.4 MiB`. */
export const bytesText = (bytes: number): string => {
  const unit = unitOf(bytes)
  return `${inUnit(bytes, unit)} ${units[unit]}`
}

/** `1.4/12.0 MiB`, both in the unit of the total. */
export const bytesOfText = (done: number, total: number): string => {
  const unit = unitOf(total)
  return `${inUnit(done, unit)}/${inUnit(total, unit)} ${units[unit]}`
}

/** Milliseconds as `12 s`, `3 min 04 s`, `2 h 05 min`. Begun seconds do not count. */
export const elapsedText = (milliseconds: number): string => {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`
}

/** As `elapsedText`, with a tenth of a second below ten: for what has ended. */
export const durationText = (milliseconds: number): string =>
  milliseconds < 9950 ? `${(Math.max(0, milliseconds) / 1000).toFixed(1)} s` : elapsedText(milliseconds)
