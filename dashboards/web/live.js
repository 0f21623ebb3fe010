// The live stream: reconnects by itself and says how it is.

const SILENT_AFTER_MS = 5000;
const RETRY_MS = 4000;

export function connect({ onState, onUpdate, onConnection }) {
  let source = null;
  let lastHeard = Date.now();
  let retry = 0;

  function open() {
    source = new EventSource("/api/v1/live");
    source.addEventListener("state", (event) => {
      heard();
      onState(JSON.parse(event.data));
    });
    source.addEventListener("update", (event) => {
      heard();
      onUpdate(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      onConnection("reconnecting");
      if (source.readyState !== EventSource.CLOSED) return;
      leaveIfUnknown();
      reopenLater();
    });
  }

  function reopenLater() {
    clearTimeout(retry);
    retry = setTimeout(() => {
      source.close();
      lastHeard = Date.now();
      open();
    }, RETRY_MS);
  }

  // A stream does not say why it is refused; another question does.
  async function leaveIfUnknown() {
    const answer = await fetch("/api/v1/alerts?limit=1").catch(() => null);
    if (answer?.status === 401) location.assign("/sign-in");
  }

  function heard() {
    lastHeard = Date.now();
    onConnection("live");
  }

  setInterval(() => {
    if (Date.now() - lastHeard > SILENT_AFTER_MS && source.readyState === EventSource.OPEN) {
      onConnection("silent");
      if (Date.now() - lastHeard > 4 * SILENT_AFTER_MS) {
        source.close();
        reopenLater();
      }
    }
  }, 1000);
  onConnection("connecting");
  open();
}
