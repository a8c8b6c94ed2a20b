
"use strict";
// Browsers give the clipboard to pages that came over TLS or from this machine; elsewhere there are no buttons.
if (navigator.clipboard) {
  const said = document.getElementById("said");
  let silence;
  const say = (text) => {
    said.textContent = text;
    clearTimeout(silence);
    silence = setTimeout(() => { said.textContent = ""; }, 4000);
  };
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(button.dataset.copy).then(
        () => say(button.getAttribute("aria-label").replace("Copy", "Copied") + "."),
        () => say("The browser does not let this page copy: select the text instead."),
      );
    });
  }
}
