// Warns before somebody is signed out for want of a sign, and lets them stay with one key. Without
// this script the page still says when that is, and the bank keeps what was filled in.

const WARN_MS = 120_000;
const LOOK_MS = 5_000;

const warning = document.getElementById("still-there");
const question = warning.querySelector("form");
let warned = false;
let endsAt = Date.now() + 1000 * warning.dataset.secondsLeft;

setTimeout(look, LOOK_MS);

// Looks at the clock instead of waiting in one piece: a computer may have slept meanwhile.
async function look() {
  if (endsAt - Date.now() <= (warned ? 0 : WARN_MS)) {
    await ask("GET").then(show, () => null); // asked again, as there may have been a sign elsewhere
  }
  setTimeout(look, LOOK_MS);
}

async function ask(method) {
  const response = await fetch(question.action, {
    method,
    headers: method === "POST" ? {"X-CSRFToken": question.csrfmiddlewaretoken.value} : {},
    signal: AbortSignal.timeout(LOOK_MS),
  });
  if (!response.ok) throw new Error(response.status);
  return (await response.json()).seconds_left * 1000;
}

function show(left) {
  endsAt = Date.now() + left;
  if (left === 0) return leave();
  if (left > WARN_MS) warning.close();
  else if (!warned) warning.showModal();
  warned = left <= WARN_MS; // once: after twelve hours no sign helps any more
}

question.addEventListener("submit", (event) => {
  event.preventDefault();
  stay();
});
warning.addEventListener("cancel", stay); // the Escape key is a sign, too

function stay() {
  ask("POST").then((left) => (warning.close(), show(left)), () => null);
}

// Nothing of the customer's stays on the screen. The form of a payment is sent off to be kept: the
// session is over, so that is all that the bank does with it.
function leave() {
  const form = document.getElementById("payment");
  if (form) return form.submit();
  const here = location.pathname + location.search;
  location.replace(`/login?${new URLSearchParams({next: here, ended: 1})}`);
}
