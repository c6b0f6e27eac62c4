// Comfort on the pages that send money; without this script they work just as well.
"use strict";

// --- The form: what would be left, by the bank's own quote ---------------------------------------

const form = document.getElementById("payment");
const afterwards = document.getElementById("afterwards");
let waiting;

form?.addEventListener("input", () => {
  clearTimeout(waiting);
  afterwards.textContent = "";
  waiting = setTimeout(showAfterwards, 500);
});

async function showAfterwards() {
  const account = form.from_account_id.selectedOptions[0].dataset;
  const order = {
    from_account_id: form.from_account_id.value,
    to_account_number: form.to_account_number.value.replace(/[\s\p{Pd}\u2212]/gu, ""),
    amount: tidyAmount(form.amount.value, account),
  };
  if (order.to_account_number.length !== 12 || !order.amount) return;
  const response = await post("/transfers/quote", JSON.stringify(order), form).catch(() => null);
  const quote = response?.ok ? await response.json() : {};
  if (quote.outcome !== "COMPLETED" && quote.outcome !== "PENDING") return;
  const locale = `${document.documentElement.lang}-IN-u-nu-latn`;
  const money = new Intl.NumberFormat(locale, {style: "currency", currency: account.currency});
  afterwards.textContent = afterwards.dataset.sentence
    .replace("{balance}", money.format(quote.balance_after))
    .replace("{left}", money.format(quote.remaining_today));
}

// As tidy_amount in transfers/forms.py does it.
function tidyAmount(text, {sign, currency}) {
  text = text.replace(/\s+/g, " ").trim();
  for (const mark of [sign, currency]) {
    if (text.startsWith(mark)) text = text.slice(mark.length);
    if (text.endsWith(mark)) text = text.slice(0, -mark.length);
    text = text.trim();
  }
  const grouped = /^[0-9]{1,3}([, ])(?:[0-9]{2,3}\1)*[0-9]{3}(?:\.[0-9]+)?$/;
  return grouped.test(text) ? text.replace(/[, ]/g, "") : text;
}

// --- The check: the API carries the payment out --------------------------------------------------

const checked = document.getElementById("checked");
const outcome = document.getElementById("outcome");

checked?.addEventListener("submit", async (event) => {
  if (!checked.dataset.order) return;
  event.preventDefault();
  if (event.submitter.disabled) return;
  event.submitter.disabled = true;
  outcome.textContent = checked.dataset.sending;
  try {
    const key = checked.idempotency_key.value;
    const answer = await post("/transfers", checked.dataset.order, checked, {"Idempotency-Key": key});
    if (answer.status >= 500) throw new Error("no verdict");
    // Decided. The form under the same key moves nothing more: it leads to the page that tells.
    checked.submit();
  } catch {
    event.submitter.disabled = false;
    outcome.textContent = checked.dataset.notKnown;
  }
});

function post(path, body, {csrfmiddlewaretoken}, headers = {}) {
  return fetch(path, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-CSRFToken": csrfmiddlewaretoken.value,
      ...headers,
    },
    body,
    signal: AbortSignal.timeout(30_000),
  });
}
