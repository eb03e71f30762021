"use strict";
const $ = id => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const decode = (text, Type) => new Type(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const motions = data.motions.map(m => ({ ...m, bones: decode(m.bones, Float32Array) }));
const JOINTS = data.parents.length, STRIDE = JOINTS * 12;
const frames = motions[0].bones.length / STRIDE;
const view = { yaw: 0.5, pitch: 0.12, distance: 4.6, target: [0, 0.9, 0] };
const times = data.times, duration = times[frames - 1] + 1 / data.fps;
let seconds = 0, playing = frames > 1;
function frameAt(time) {
  let t = 0;
  while (t + 1 < frames && times[t + 1] <= time) t++;
  return t;
}

// --- matrices, column-major -----------------------------------------------------------------------------------------
function multiply(a, b) {
  const out = new Float32Array(16);
  for (let c = 0; c < 4; c++) for (let r = 0; r < 4; r++) for (let k = 0; k < 4; k++) out[c * 4 + r] += a[k * 4 + r] * b[c * 4 + k];
  return out;
}
function camera(aspect) {
  const near = 0.05, far = 100, f = 1 / Math.tan(0.35) * Math.min(1, aspect);
  const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
  const right = [cy, 0, -sy], up = [-sy * sp, cp, -cy * sp], back = [sy * cp, sp, cy * cp];
  const eye = view.target.map((t, i) => t + back[i] * view.distance);
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const look = [0, 1, 2].flatMap(i => [right[i], up[i], back[i], 0]).concat([-dot(right, eye), -dot(up, eye), -dot(back, eye), 1]);
  const lens = [f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (far + near) / (near - far), -1, 0, 0, 2 * far * near / (near - far), 0];
  return multiply(lens, look);
}

// --- the skinned mesh -----------------------------------------------------------------------------------------------
const gl = $("mesh").getContext("webgl2", { antialias: true, alpha: true });
const draw = gl && surface();
function surface() {
  const shader = (type, source) => {
    const made = gl.createShader(type);
    gl.shaderSource(made, "#version 300 es\nprecision highp float;\n" + source);
    gl.compileShader(made);
    return made;
  };
  const program = gl.createProgram();
  gl.attachShader(program, shader(gl.VERTEX_SHADER, `
    in vec3 position, normal; in vec4 weights; in uvec4 joints;
    uniform vec4 bones[${JOINTS * 3}]; uniform mat4 camera; uniform vec3 shift; out vec3 facing;
    void main() {
      vec4 rows[3] = vec4[3](vec4(0), vec4(0), vec4(0));
      for (int i = 0; i < 4; i++) for (int r = 0; r < 3; r++) rows[r] += weights[i] * bones[int(joints[i]) * 3 + r];
      vec4 p = vec4(position, 1);
      facing = vec3(dot(rows[0].xyz, normal), dot(rows[1].xyz, normal), dot(rows[2].xyz, normal));
      gl_Position = camera * vec4(vec3(dot(rows[0], p), dot(rows[1], p), dot(rows[2], p)) + shift, 1);
    }`));
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `
    in vec3 facing; uniform vec3 color, lamp; out vec4 shown;
    void main() {
      vec3 n = normalize(facing);
      shown = vec4(color * (0.42 + 0.2 * n.y + 0.6 * max(dot(n, lamp), 0.0)), 1);
    }`));
  gl.linkProgram(program);
  gl.useProgram(program);
  const attribute = (name, array, size, type, integer) => {
    const place = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(place);
    integer ? gl.vertexAttribIPointer(place, size, type, 0, 0) : gl.vertexAttribPointer(place, size, type, false, 0, 0);
  };
  attribute("position", decode(data.vertices, Float32Array), 3, gl.FLOAT);
  attribute("normal", decode(data.normals, Float32Array), 3, gl.FLOAT);
  attribute("weights", decode(data.weights, Float32Array), 4, gl.FLOAT);
  attribute("joints", decode(data.influences, Uint8Array), 4, gl.UNSIGNED_BYTE, true);
  const faces = decode(data.faces, Uint32Array);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
  gl.enable(gl.DEPTH_TEST);
  const at = name => gl.getUniformLocation(program, name);
  return (matrix, bones, shift, color) => {
    const lamp = [Math.sin(view.yaw - 0.6), 0.8, Math.cos(view.yaw - 0.6)].map(v => v / Math.hypot(1, 0.8));
    gl.uniformMatrix4fv(at("camera"), false, matrix);
    gl.uniform4fv(at("bones"), bones);
    gl.uniform3fv(at("shift"), shift);
    gl.uniform3fv(at("color"), color);
    gl.uniform3fv(at("lamp"), lamp);
    gl.drawElements(gl.TRIANGLES, faces.length, gl.UNSIGNED_INT, 0);
  };
}

// --- floor and skeleton, drawn flat ---------------------------------------------------------------------------------
const paper = $("lines").getContext("2d");
function line(matrix, a, b, color, width) {
  const [p, q] = [a, b].map(v => [0, 1, 3].map(r => matrix[r] * v[0] + matrix[4 + r] * v[1] + matrix[8 + r] * v[2] + matrix[12 + r]));
  if (p[2] < 0.05 || q[2] < 0.05) return;
  const [w, h] = [paper.canvas.width, paper.canvas.height];
  paper.strokeStyle = color; paper.lineWidth = width * devicePixelRatio; paper.lineCap = "round";
  paper.beginPath();
  for (const v of [p, q]) paper.lineTo((v[0] / v[2] + 1) * w / 2, (1 - v[1] / v[2]) * h / 2);
  paper.stroke();
}
const moved = (bones, j, shift, p) => [0, 1, 2].map(r => {
  const o = j * 12 + r * 4;
  return bones[o] * p[0] + bones[o + 1] * p[1] + bones[o + 2] * p[2] + bones[o + 3] + shift[r];
});

function render() {
  const [w, h] = [innerWidth, innerHeight].map(v => Math.round(v * devicePixelRatio));
  for (const c of [$("mesh"), $("lines")]) if (c.width !== w || c.height !== h) { c.width = w; c.height = h; }
  const matrix = camera(w / h), t = frameAt(seconds);
  paper.clearRect(0, 0, w, h);
  if (gl) { gl.viewport(0, 0, w, h); gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT); }
  for (let i = -3; i <= 3; i++) {
    line(matrix, [i / 2, 0, -1.5], [i / 2, 0, 1.5], "#8885", 1);
    line(matrix, [-1.5, 0, i / 2], [1.5, 0, i / 2], "#8885", 1);
  }
  const shown = motions.filter(m => $(m.name).checked);
  shown.forEach((m, i) => {
    const bones = m.bones.subarray(t * STRIDE, (t + 1) * STRIDE);
    const root = moved(bones, 0, [0, 0, 0], data.rest[0]);
    const beside = (i - (shown.length - 1) / 2) * 0.9;
    const shift = $("inplace").checked
      ? [Math.cos(view.yaw) * beside - root[0], -m.floor, -Math.sin(view.yaw) * beside - root[2]] : [0, 0, 0];
    if (draw && $("surface").checked) draw(matrix, bones, shift, m.color);
    if (!draw || !$("surface").checked || $("skeleton").checked) {
      const joints = data.rest.map((p, j) => moved(bones, j, shift, p));
      const color = `rgb(${m.color.map(c => c * ($("surface").checked && draw ? 110 : 255))})`;
      data.parents.forEach((p, j) => { if (p >= 0) line(matrix, joints[p], joints[j], color, 3); });
    }
  });
  $("scrub").value = t;
  $("time").textContent = `${times[t].toFixed(2)} s, frame ${t * data.step}`;
  const label = data.labels.find(l => l[0] <= t && t < l[1]);
  $("label").textContent = label ? label[2] || "no label" : "";
}

// --- playing and turning --------------------------------------------------------------------------------------------
let last = performance.now();
function tick(time) {
  if (playing) seconds = (seconds + (time - last) / 1000) % duration;
  last = time;
  render();
  requestAnimationFrame(tick);
}
function play(on) { playing = on && frames > 1; $("play").textContent = playing ? "Pause" : "Play"; }
$("play").onclick = () => play(!playing);
$("scrub").max = frames - 1;
$("scrub").oninput = event => { play(false); seconds = times[+event.target.value]; };
addEventListener("keydown", event => {
  if (event.key === " ") { event.preventDefault(); play(!playing); }
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && event.target !== $("scrub")) { play(false); seconds = times[(frameAt(seconds) + step + frames) % frames]; }
});
const fingers = new Map();
$("lines").onpointerdown = event => { fingers.set(event.pointerId, event); $("lines").setPointerCapture(event.pointerId); };
$("lines").onpointerup = $("lines").onpointercancel = event => fingers.delete(event.pointerId);
$("lines").onpointermove = event => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  if (fingers.size === 2) {
    const other = [...fingers.values()].find(f => f.pointerId !== event.pointerId);
    const span = f => Math.hypot(f.clientX - other.clientX, f.clientY - other.clientY);
    zoom(span(before) / Math.max(1, span(event)));
  } else if (event.shiftKey || event.buttons === 4) {
    view.target[1] += (event.clientY - before.clientY) * view.distance / innerHeight;
  } else {
    view.yaw -= (event.clientX - before.clientX) * 0.008;
    view.pitch = Math.max(-1.5, Math.min(1.5, view.pitch + (event.clientY - before.clientY) * 0.008));
  }
  fingers.set(event.pointerId, event);
};
const zoom = factor => { view.distance = Math.max(0.8, Math.min(30, view.distance * factor)); };
$("lines").addEventListener("wheel", event => { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.001)); }, { passive: false });
play(playing);
requestAnimationFrame(tick);
