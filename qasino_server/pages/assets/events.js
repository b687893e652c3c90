// What the server says of its generations.

const AGAIN_MS = 5000;

// `tell` is called with the facts of the generation there is and of each that begins, and with null
// where the server does not answer. What is returned ends it.
export function listen(tell) {
  let events = null;
  let again = 0;
  function open() {
    events = new EventSource("/events");
    for (const kind of ["now", "generation"]) events.addEventListener(kind, ({ data }) => tell(JSON.parse(data)));
    events.addEventListener("error", () => {
      tell(null);
      // A browser does not try again by itself after an answer that is no stream, such as a proxy's.
      if (events.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
    });
  }
  open();
  return () => {
    clearTimeout(again);
    events.close();
  };
}
