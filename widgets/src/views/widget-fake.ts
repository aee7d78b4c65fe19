// A widget model with messages, for the tests of views: Python's side is in the hands of the test.

type State = Record<string, unknown>;

export function widgetModel(state: State) {
  const listeners = new Map<string, Set<(...given: unknown[]) => void>>();
  const tell = (key: string, ...given: unknown[]): void => [...(listeners.get(key) ?? [])].forEach((act) => act(...given));
  return {
    state,
    sent: [] as State[],
    get: (key: string) => state[key],
    set(key: string, value: unknown) {
      state[key] = value;
      tell(`change:${key}`);
    },
    on: (event: string, act: () => void) => void (listeners.get(event) ?? listeners.set(event, new Set()).get(event)!).add(act),
    off: (event: string, act: () => void) => void listeners.get(event)?.delete(act),
    save_changes() {},
    send(content: State) {
      this.sent.push(content);
    },
    python(values: State) {
      Object.assign(state, values);
      Object.keys(values).forEach((key) => tell(`change:${key}`));
    },
    message: (content: unknown, buffers: DataView[]) => tell("msg:custom", content, buffers),
    listeners: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
  };
}
