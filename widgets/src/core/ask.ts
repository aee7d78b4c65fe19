// Asking Python while something is dragged: never more than one question under way, and the newest one always asked.

export interface Asker<T> {
  /** Ask, now or as soon as the last answer is there; what was waiting is replaced. */
  ask(question: T): void;
  /** Python has answered question number `seq`; returns how long it took in milliseconds, where it is known. */
  answered(seq: number): number | null;
  /** The number of the newest question, asked or waiting: an older answer is stale. */
  newest(): number;
}

/**
 * @param send gets the question with its number; an answer that does not come within `patience` ms is given up.
 * @param begin the number of the last question that was answered before.
 */
export function asker<T extends object>(send: (question: T & { seq: number }) => void, begin = 0, patience = 2000, now: () => number = () => performance.now()): Asker<T> {
  let seq = begin;
  let underWay: { seq: number; at: number } | null = null;
  let waiting: (T & { seq: number }) | null = null;
  const go = (question: T & { seq: number }): void => {
    waiting = null;
    underWay = { seq: question.seq, at: now() };
    send(question);
  };
  return {
    ask(question) {
      const numbered = { ...question, seq: ++seq };
      if (underWay && now() - underWay.at < patience) waiting = numbered;
      else go(numbered);
    },
    answered(answer) {
      seq = Math.max(seq, answer); // another view of the same widget asks too
      if (!underWay || answer !== underWay.seq) return null;
      const took = now() - underWay.at;
      underWay = null;
      if (waiting) go(waiting);
      return took;
    },
    newest: () => seq,
  };
}

/** A number rounded to about a thousandth of `range`, so that what is dragged has few digits. */
export function neat(value: number, range: number): number {
  if (!(range > 0) || !Number.isFinite(value)) return value;
  const step = 10 ** (Math.floor(Math.log10(range)) - 2);
  return Number((Math.round(value / step) * step).toPrecision(12));
}
