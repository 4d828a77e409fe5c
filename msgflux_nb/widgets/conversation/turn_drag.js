// @ts-check
// Dragging turns by their handles to another place; a line shows where one would land.

/**
 * @param {HTMLElement} list
 * @param {(id: string, to: number) => void} drop called with the turn and its new place, counted before it is removed
 */
export function dragging(list, drop) {
  /** @type {string | undefined} */
  let dragged;

  /** @param {DragEvent} event */
  function place({ clientY }) {
    const before = [...list.children].findIndex((item) => {
      const { top, height } = item.getBoundingClientRect();
      return clientY < top + height / 2;
    });
    return before < 0 ? list.childElementCount : before;
  }

  /** @param {number} at */
  function mark(at) {
    [...list.children].forEach((item, index, all) => {
      item.classList.toggle("mf-drop-before", index === at);
      item.classList.toggle("mf-drop-behind", at === all.length && index === all.length - 1);
    });
  }

  list.addEventListener("dragstart", ({ target, dataTransfer }) => {
    const handle = target instanceof Element ? target.closest(".mf-handle") : null;
    const item = handle?.closest("li");
    dragged = item?.dataset.id;
    if (!item || !dragged || !dataTransfer) return;
    dataTransfer.setData("text/plain", ""); // Firefox drags nothing without data
    dataTransfer.effectAllowed = "move";
    dataTransfer.setDragImage(item, 0, 0);
  });
  list.addEventListener("dragend", () => {
    dragged = undefined;
    mark(-1);
  });
  list.addEventListener("dragover", (event) => {
    if (dragged === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    mark(place(event));
  });
  list.addEventListener("dragleave", () => mark(-1));
  list.addEventListener("drop", (event) => {
    if (dragged === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    mark(-1);
    drop(dragged, place(event));
    dragged = undefined;
  });
}
