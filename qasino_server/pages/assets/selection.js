// What somebody is about to copy.

// A double click beside a text selects its line end: nobody copies that.
export function isSelected(part) {
  const selection = getSelection();
  return selection.toString().trim() !== "" && selection.containsNode(part, true);
}
