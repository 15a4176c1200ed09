/** A printer does not wait, and paper is not scrolled: what nobody has come to yet is drawn first. */

export async function paper() {
  const drawn = [];
  const unseen = document.querySelectorAll(":is(.waits, .world):empty");
  for (const each of unseen) each.dispatchEvent(new CustomEvent("draw", { detail: drawn }));
  await Promise.allSettled(drawn);
  print();
}
