"use strict";
document.documentElement.classList.add("scripted");
const findings = [...document.querySelectorAll(".finding")];
const boxOf = (finding) => finding.querySelector("input");
const save = document.getElementById("save");
const count = document.getElementById("count");

const ticked = () => findings.filter((finding) => boxOf(finding).checked);
const tell = () => {
  const number = ticked().length;
  count.textContent = number ? `${number} ticked` : "none ticked";
  save.disabled = number === 0;
};
for (const finding of findings) boxOf(finding).addEventListener("change", tell);
tell();

// Ticks of findings that a filter hides still count.
const filters = { kind: document.getElementById("kind"), class: document.getElementById("class") };
const sift = () => {
  for (const finding of findings) {
    finding.hidden = Object.entries(filters).some(
      ([key, select]) => select.value !== "" && finding.dataset[key] !== select.value,
    );
  }
};
for (const select of Object.values(filters)) select.addEventListener("change", sift);

save.addEventListener("click", () => {
  const lines = [save.dataset.header, ...ticked().map((each) => boxOf(each).dataset.line)];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "text/csv" }));
  link.download = "audit-list.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
