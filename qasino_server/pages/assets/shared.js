// A worker of all pages of a browser: one connection to /events serves those that are looked at.

import { listen } from "./events.js";

const pages = new Set();
let leave = () => {};

function tell(facts) {
  for (const page of pages) page.postMessage(facts);
}

// Who comes is told what is now: the connection is opened anew, and begins with it.
function heed(page, isSeen) {
  if (isSeen) pages.add(page);
  else pages.delete(page);
  if (!isSeen && pages.size) return;
  leave();
  leave = isSeen ? listen(tell) : () => {};
}

onconnect = ({ ports: [page] }) => {
  page.onmessage = ({ data: isSeen }) => heed(page, isSeen);
};
