// Passkeys and security keys: asks the gateway what to ask, lets the browser ask it, and sends the answer as an ordinary form.
// Every form that it serves is hidden until here: without this script, or in a browser that knows no passkeys, nothing is missed.
"use strict";
(() => {
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const octets = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const described = (list) => (list || []).map((known) => ({ ...known, id: octets(known.id) }));

  const create = async (options) => {
    const credential = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: octets(options.challenge),
        user: { ...options.user, id: octets(options.user.id) },
        excludeCredentials: described(options.excludeCredentials),
      },
    });
    const { response } = credential;
    const { credProps } = credential.getClientExtensionResults();
    return {
      id: text(credential.rawId),
      rawId: text(credential.rawId),
      type: "public-key",
      response: {
        clientDataJSON: text(response.clientDataJSON),
        attestationObject: text(response.attestationObject),
        transports: response.getTransports ? response.getTransports() : [],
      },
      clientExtensionResults: credProps ? { credProps } : {},
    };
  };

  const get = async (options) => {
    const credential = await navigator.credentials.get({
      publicKey: {
        ...options,
        challenge: octets(options.challenge),
        allowCredentials: described(options.allowCredentials),
      },
    });
    const { response } = credential;
    return {
      id: text(credential.rawId),
      rawId: text(credential.rawId),
      type: "public-key",
      response: {
        clientDataJSON: text(response.clientDataJSON),
        authenticatorData: text(response.authenticatorData),
        signature: text(response.signature),
        userHandle: response.userHandle ? text(response.userHandle) : null,
      },
      clientExtensionResults: {},
    };
  };

  // The page has the sentences in its language, each under its code.
  const sentence = (message, told) => {
    const said = message.dataset[told.code.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())];
    return said || (document.documentElement.lang === "en" ? told.detail : message.dataset.failed);
  };

  const perform = async (form, kind, message) => {
    const asked = new FormData(form);
    const begun = await fetch(form.dataset.passkey, {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ name: asked.get("name") || "", password: asked.get("password") || "", kind }),
    });
    const told = await begun.json();
    if (!begun.ok) throw new Error(sentence(message, told));
    const answer = await (form.dataset.act === "create" ? create : get)(told.options);
    form.elements.credential.value = JSON.stringify(answer);
    // It was judged with the first request, and has no business in the second.
    if (form.elements.password) form.elements.password.disabled = true;
    form.action = `${form.dataset.passkey}/${told.ceremony}`;
    HTMLFormElement.prototype.submit.call(form);
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const message = form.querySelector("[data-message]");
    let busy = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      message.hidden = true;
      form.setAttribute("aria-busy", "true");
      try {
        await perform(form, event.submitter ? event.submitter.value : "", message);
      } catch (error) {
        const { cancelled, known } = message.dataset;
        const said = { NotAllowedError: cancelled, AbortError: cancelled, InvalidStateError: known };
        message.textContent = said[error.name] || (error.name === "Error" && error.message) || message.dataset.failed;
        message.hidden = false;
        form.removeAttribute("aria-busy");
        busy = false;
      }
    });
  }
  for (const part of document.querySelectorAll("[data-with-passkeys]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-passkeys]")) part.hidden = true;
})();
