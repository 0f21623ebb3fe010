// What layers of places on a canvas share.

const L = window.L;

// Lets the canvas cover the map, as sharp as the screen; returns its pen, and the size in pixels of the page.
export function penOf(map, canvas) {
  const size = map.getSize();
  const ratio = window.devicePixelRatio || 1;
  L.DomUtil.setPosition(canvas, map.containerPointToLayerPoint([0, 0]));
  const [width, height] = [Math.round(size.x * ratio), Math.round(size.y * ratio)];
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, { width, height });
    canvas.style.width = `${size.x}px`;
    canvas.style.height = `${size.y}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, size.x, size.y);
  return { pen, size };
}

// A kind is told by shape and colour.
export function outline(pen, shape, x, y, r) {
  if (shape === "triangle") {
    pen.moveTo(x, y - r - 1);
    pen.lineTo(x + r + 1, y + r);
    pen.lineTo(x - r - 1, y + r);
    pen.closePath();
  } else if (shape === "diamond") {
    pen.moveTo(x, y - r - 1.5);
    pen.lineTo(x + r + 1.5, y);
    pen.lineTo(x, y + r + 1.5);
    pen.lineTo(x - r - 1.5, y);
    pen.closePath();
  } else if (shape === "square") pen.rect(x - r + 0.5, y - r + 0.5, 2 * r - 1, 2 * r - 1);
  else pen.arc(x, y, r, 0, 2 * Math.PI);
}
