// Sends the payment form to the API and shows its answer. Without this script the form posts
// itself and the server does the same. The key in the form makes pressing twice pay once.
"use strict";

const form = document.getElementById("payment");
const outcome = document.getElementById("outcome");
const ABOUT = {insufficient_funds: "amount", daily_limit_exceeded: "amount"};

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  clearErrors();
  outcome.replaceChildren(element("p", "Sending…"));
  try {
    const response = await fetch("/transfers", {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "Idempotency-Key": form.idempotency_key.value,
        "X-CSRFToken": form.csrfmiddlewaretoken.value,
      },
      body: JSON.stringify(order()),
      signal: AbortSignal.timeout(30_000),
    });
    const answer = await response.json();
    if (response.status === 201) sent(answer);
    else notSent(response.status, answer);
  } catch { // no answer, or none that we can read: the same key stays in the form
    problem(outcome.dataset.notKnown);
  }
  button.disabled = false;
});

function order() {
  return {
    from_account_id: form.from_account_id.value,
    to_account_number: form.to_account_number.value.replace(/[\s\p{Pd}\u2212]/gu, ""),
    amount: tidyAmount(form.amount.value, form.from_account_id.selectedOptions[0].dataset),
    reference: form.reference.value,
  };
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

function sent(transfer) {
  document.querySelector("h1").remove();
  document.querySelectorAll(".problem, .refused").forEach((old) => old.remove());
  form.remove();
  const links = element("p", "", {class: "links"});
  links.append(paymentLink(transfer.id, "See the payment"), " ",
    element("a", "Send another", {href: outcome.dataset.send}));
  show("done", element("h1", `You sent ${transfer.amount} ${transfer.currency}.`),
    element("p", "The money is in the receiver's account."), links, json(transfer));
}

function notSent(status, answer) {
  const reused = answer.code === "idempotency_key_reused";
  if (answer.transfer_id || reused) form.idempotency_key.value = crypto.randomUUID();
  if (status === 401) {
    problem("You are signed out, so nothing was sent.",
      element("a", "Sign in again", {href: outcome.dataset.login}));
  } else if (status >= 500 || answer.code === "idempotency_in_progress") {
    problem(outcome.dataset.notKnown, json(answer));
  } else if (reused) {
    problem(outcome.dataset.alreadyUsed, json(answer));
  } else if (answer.transfer_id) {
    markError(ABOUT[answer.code], answer.detail);
    problem(`${answer.detail} No money left your account.`,
      paymentLink(answer.transfer_id, "See this attempt"), json(answer));
  } else if (answer.errors || answer.field) {
    const errors = answer.errors ?? [answer];
    const links = errors.map((error) => {
      const name = error.field.replace("to_account_id", "to_account_number");
      markError(name, error.detail);
      return element("a", error.detail, {href: `#id_${name}`});
    });
    problem("Nothing was sent.", ...links, json(answer));
  } else {
    problem(`${answer.detail} Nothing was sent.`, json(answer));
  }
}

function problem(sentence, ...more) {
  document.querySelectorAll(".problem, .refused").forEach((old) => old.remove());
  show("problem", element("h2", "There is a problem"), element("p", sentence), ...more);
}

function show(name, ...nodes) {
  const box = element("div", "", {class: name});
  box.append(...nodes.map((node) => node.tagName === "A" ? wrap(node) : node));
  outcome.replaceChildren(box);
  outcome.focus();
}

function markError(name, sentence) {
  const input = document.getElementById(`id_${name}`);
  const error = document.getElementById(`id_${name}_error`);
  if (!input || !error) return;
  error.textContent = sentence;
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", `id_${name}_helptext id_${name}_error`);
  input.closest(".field").classList.add("wrong");
}

function clearErrors() {
  document.querySelectorAll(".error").forEach((error) => { error.textContent = ""; });
  form.querySelectorAll("[aria-invalid]").forEach((one) => one.removeAttribute("aria-invalid"));
  form.querySelectorAll(".wrong").forEach((field) => field.classList.remove("wrong"));
}

function paymentLink(id, text) {
  return element("a", text, {href: outcome.dataset.payment.replace(/0[-0]+$/, id)});
}

function json(answer) {
  const details = element("details");
  details.append(element("summary", "The bank's answer as JSON"),
    element("pre", JSON.stringify(answer, null, 2)));
  return details;
}

function wrap(link) {
  const line = element("p");
  line.append(link);
  return line;
}

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
