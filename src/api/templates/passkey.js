// Asks the browser to make or to use a passkey, and sends what it says with the form of the page. Nothing of a page needs it but that.
"use strict";
(() => {
  const form = document.getElementById("passkey");
  const problem = document.getElementById("passkey-problem");
  if (!form || !problem) return;
  const button = form.querySelector("button[data-passkey]");
  const options = JSON.parse(form.dataset.options);

  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => {
    const all = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(all).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  const named = (list) => list.map((one) => ({ type: "public-key", id: bytes(one) }));
  const tell = (what) => {
    problem.textContent = what;
    problem.hidden = false;
    button.disabled = false;
  };
  const send = (fields) => {
    for (const [name, value] of Object.entries(fields)) form.elements.namedItem(name).value = value;
    form.submit();
  };

  const make = async () => {
    const made = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: named(options.excludeCredentials),
      },
    });
    send({ client_data: text(made.response.clientDataJSON), attestation: text(made.response.attestationObject) });
  };
  const use = async () => {
    const used = await navigator.credentials.get({
      publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: named(options.allowCredentials) },
    });
    const said = used.response;
    send({
      credential: text(used.rawId),
      client_data: text(said.clientDataJSON),
      authenticator_data: text(said.authenticatorData),
      signature: text(said.signature),
      user_handle: said.userHandle ? text(said.userHandle) : "",
    });
  };

  if (!window.PublicKeyCredential) {
    tell(form.dataset.missing);
    button.disabled = true;
    return;
  }
  button.disabled = false;
  form.addEventListener("submit", (event) => {
    if (event.submitter !== button) return;
    event.preventDefault();
    problem.hidden = true;
    button.disabled = true;
    (options.user ? make() : use()).catch((error) => {
      tell(error.name === "InvalidStateError" ? form.dataset.known : form.dataset.failed);
    });
  });
})();
