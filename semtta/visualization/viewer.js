"use strict";
const $ = id => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const decode = (text, Type) => text && new Type(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const JOINTS = data.parents.length, times = data.times, frames = times.length;
const numbers = decode(data.numbers, Int32Array), duration = times[frames - 1] + 1 / data.fps;
const people = data.people.map(p => ({
  ...p, at: decode(p.at, Int32Array), vertices: decode(p.vertices, Float32Array), confidence: decode(p.confidence, Uint8Array),
  contacts: decode(p.contacts, Uint8Array), moves: Object.fromEntries(Object.entries(p.motions).map(([when, m]) => [when, moves(m)])),
}));
const eye = { rotation: decode(data.camera.rotation, Float32Array), position: decode(data.camera.position, Float32Array) };
const view = { yaw: 0.6, pitch: 0.22, distance: 5, target: [0, 0, 0.9] }; // z is up; at yaw 0 one looks along y
let seconds = 0, playing = frames > 1, followed = 0;
function frameAt(time) {
  let low = 0, high = frames - 1;
  while (low < high) { const middle = (low + high + 1) >> 1; if (times[middle] <= time) low = middle; else high = middle - 1; }
  return low;
}

// --- poses ----------------------------------------------------------------------------------------------------------
function moves(m) { // axis-angle in units of pi / 32767 -> quaternions w, x, y, z
  const angles = decode(m.rotations, Int16Array), turns = new Float32Array(angles.length / 3 * 4), k = Math.PI / 32767;
  for (let i = 0, o = 0; i < angles.length; i += 3, o += 4) {
    const [x, y, z] = [angles[i] * k, angles[i + 1] * k, angles[i + 2] * k], angle = Math.hypot(x, y, z);
    const s = angle > 1e-9 ? Math.sin(angle / 2) / angle : 0.5;
    turns.set([Math.cos(angle / 2), x * s, y * s, z * s], o);
  }
  return { turns, pelvis: decode(m.pelvis, Float32Array) };
}
function blended(array, size, row, next, share) { // of two rows; quaternions the short way round
  const out = new Float32Array(size), a = row * size, b = next * size;
  let sign = 1;
  for (let i = 0; i < size; i++) {
    if (size > 3 && i % 4 === 0) { let dot = 0; for (let k = 0; k < 4; k++) dot += array[a + i + k] * array[b + i + k]; sign = dot < 0 ? -1 : 1; }
    out[i] = array[a + i] * (1 - share) + sign * array[b + i] * share;
  }
  return out;
}
function posed(person, when, t, share) { // bones [24 * 12] from the rest pose to the world, and the joints; null: not there
  const row = person.at[t], following = t + 1 < frames ? person.at[t + 1] : -1;
  if (row < 0) return null;
  const next = following < 0 ? row : following, m = person.moves[when], rest = person.rest;
  const turns = blended(m.turns, JOINTS * 4, row, next, share), pelvis = blended(m.pelvis, 3, row, next, share);
  const bones = new Float32Array(JOINTS * 12), global = [], joints = [];
  for (let j = 0; j < JOINTS; j++) {
    const length = Math.hypot(...turns.subarray(j * 4, j * 4 + 4)) || 1, [w, x, y, z] = turns.subarray(j * 4, j * 4 + 4).map(v => v / length);
    const local = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z), 1 - 2 * (x * x + z * z),
      2 * (y * z - w * x), 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)];
    const p = data.parents[j], R = p < 0 ? local : times3(global[p], local);
    global.push(R);
    joints.push(p < 0 ? [...pelvis] : added(joints[p], turned(global[p], rest[j].map((v, i) => v - rest[p][i]))));
    const offset = turned(R, rest[j]);
    for (let r = 0; r < 3; r++) bones.set([R[r * 3], R[r * 3 + 1], R[r * 3 + 2], joints[j][r] - offset[r]], j * 12 + r * 4);
  }
  return { bones, joints };
}
const times3 = (a, b) => [0, 1, 2].flatMap(r => [0, 1, 2].map(c => a[r * 3] * b[c] + a[r * 3 + 1] * b[3 + c] + a[r * 3 + 2] * b[6 + c]));
const turned = (R, v) => [0, 1, 2].map(r => R[r * 3] * v[0] + R[r * 3 + 1] * v[1] + R[r * 3 + 2] * v[2]);
const turnedBack = (R, v) => [0, 1, 2].map(r => R[r] * v[0] + R[3 + r] * v[1] + R[6 + r] * v[2]);
const added = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

// --- cameras: matrices column-major -----------------------------------------------------------------------------------
function multiply(a, b) {
  const out = new Float32Array(16);
  for (let c = 0; c < 4; c++) for (let r = 0; r < 4; r++) for (let k = 0; k < 4; k++) out[c * 4 + r] += a[k * 4 + r] * b[c * 4 + k];
  return out;
}
const looking = (right, up, back, from) =>
  [0, 1, 2].flatMap(i => [right[i], up[i], back[i], 0]).concat([-dot(right, from), -dot(up, from), -dot(back, from), 1]);
const lens = (fx, fy, ox, oy, near = 0.05, far = 1000) =>
  [fx, 0, 0, 0, 0, fy, 0, 0, -ox, oy, (far + near) / (near - far), -1, 0, 0, 2 * far * near / (near - far), 0];
function filmed(t) { // the camera of frame t: its rotation from the world (rows right, down, forward) and place
  const i = eye.position.length > 3 ? t : 0;
  return { R: eye.rotation.subarray(i * 9, i * 9 + 9), at: [...eye.position.subarray(i * 3, i * 3 + 3)] };
}
function throughCamera(t, aspect) {
  const { R, at } = filmed(t), [w, h] = data.camera.size, [cx, cy] = data.camera.center, f = 2 * data.camera.focal;
  const kx = Math.min(1, w / h / aspect), ky = Math.min(1, aspect * h / w), row = (r, s) => [0, 1, 2].map(i => s * R[r * 3 + i]);
  return multiply(lens(f / w * kx, f / h * ky, (2 * cx / w - 1) * kx, (2 * cy / h - 1) * ky), looking(row(0, 1), row(1, -1), row(2, -1), at));
}
function fromOutside(aspect) {
  const f = 1 / Math.tan(0.35) * Math.min(1, aspect), [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
  const right = [cy, sy, 0], back = [sy * cp, -cy * cp, sp], up = [-sy * sp, cy * sp, cp];
  return multiply(lens(f / aspect, f, 0, 0), looking(right, up, back, added(view.target, back.map(v => v * view.distance))));
}

// --- WebGL: skinned meshes, flat shapes, the video's picture ----------------------------------------------------------
const gl = $("mesh").getContext("webgl2", { antialias: true, alpha: true, preserveDrawingBuffer: true });
const draw = gl && programs();
function programs() {
  const program = (vertex, fragment) => {
    const made = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, "#version 300 es\nprecision highp float;\n" + source);
      gl.compileShader(shader);
      gl.attachShader(made, shader);
    }
    gl.linkProgram(made);
    return { made, at: name => gl.getUniformLocation(made, name) };
  };
  const attribute = ({ made }, name, buffer, size, type, integer, stride = 0, offset = 0) => {
    const place = gl.getAttribLocation(made, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(place);
    integer ? gl.vertexAttribIPointer(place, size, type, stride, offset) : gl.vertexAttribPointer(place, size, type, type === gl.UNSIGNED_BYTE, stride, offset);
  };
  const stored = (array, use = gl.STATIC_DRAW) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, array, use);
    return buffer;
  };
  const skin = program(`
    in vec3 position, normal; in vec4 weights; in uvec4 joints;
    uniform vec4 bones[${JOINTS * 3}]; uniform float sure[${JOINTS}]; uniform mat4 camera; uniform vec3 shift; out vec3 facing; out float seen;
    void main() {
      vec4 rows[3] = vec4[3](vec4(0), vec4(0), vec4(0));
      vec4 share = weights / dot(weights, vec4(1));
      seen = 0.0;
      for (int i = 0; i < 4; i++) { for (int r = 0; r < 3; r++) rows[r] += share[i] * bones[int(joints[i]) * 3 + r]; seen += share[i] * sure[joints[i]]; }
      vec4 p = vec4(position, 1);
      facing = vec3(dot(rows[0].xyz, normal), dot(rows[1].xyz, normal), dot(rows[2].xyz, normal));
      gl_Position = camera * vec4(vec3(dot(rows[0], p), dot(rows[1], p), dot(rows[2], p)) + shift, 1);
    }`, `
    in vec3 facing; in float seen; uniform vec3 color, lamp; uniform vec4 scale[${data.scale.length}]; uniform bool bySure; out vec4 shown;
    void main() {
      vec3 n = normalize(facing), c = color;
      if (bySure) { c = scale[0].yzw; for (int i = 1; i < ${data.scale.length}; i++) c = mix(c, scale[i].yzw, clamp((seen - scale[i - 1].x) / (scale[i].x - scale[i - 1].x), 0.0, 1.0)); }
      shown = vec4(c * (0.42 + 0.2 * n.z + 0.6 * max(dot(n, lamp), 0.0)), 1);
    }`);
  const faces = decode(data.faces, data.wide ? Uint32Array : Uint16Array), index = gl.createBuffer();
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, index);
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
  const weights = stored(decode(data.weights, Uint8Array)), influences = stored(decode(data.influences, Uint8Array));
  for (const person of people) {
    person.mesh = gl.createVertexArray();
    gl.bindVertexArray(person.mesh);
    attribute(skin, "position", stored(person.vertices), 3, gl.FLOAT);
    attribute(skin, "normal", stored(normalsOf(person.vertices, faces)), 3, gl.FLOAT);
    attribute(skin, "weights", weights, 4, gl.UNSIGNED_BYTE);
    attribute(skin, "joints", influences, 4, gl.UNSIGNED_BYTE, true);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, index);
  }
  const flat = program("in vec3 position; in vec4 color; uniform mat4 camera; out vec4 c; void main() { c = color; gl_Position = camera * vec4(position, 1); }",
    "in vec4 c; uniform float fade; out vec4 shown; void main() { shown = vec4(c.rgb, c.a * fade); }");
  const shape = (vertices, use) => { // [x, y, z, r, g, b, a] each
    const made = { buffer: stored(new Float32Array(vertices), use), array: gl.createVertexArray(), count: vertices.length / 7 };
    gl.bindVertexArray(made.array);
    attribute(flat, "position", made.buffer, 3, gl.FLOAT, false, 28, 0);
    attribute(flat, "color", made.buffer, 4, gl.FLOAT, false, 28, 12);
    return made;
  };
  const loose = shape([], gl.DYNAMIC_DRAW);
  const photo = program("in vec3 position; in vec2 place; uniform mat4 camera; out vec2 uv; void main() { uv = place; gl_Position = camera * vec4(position, 1); }",
    "in vec2 uv; uniform sampler2D picture; out vec4 shown; void main() { shown = vec4(texture(picture, uv).rgb, 1); }");
  const quad = { buffer: gl.createBuffer(), array: gl.createVertexArray() };
  gl.bindVertexArray(quad.array);
  gl.bindBuffer(gl.ARRAY_BUFFER, quad.buffer);
  attribute(photo, "position", quad.buffer, 3, gl.FLOAT, false, 20, 0);
  attribute(photo, "place", quad.buffer, 2, gl.FLOAT, false, 20, 12);
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  for (const [name, value] of [["MIN_FILTER", "LINEAR"], ["MAG_FILTER", "LINEAR"], ["WRAP_S", "CLAMP_TO_EDGE"], ["WRAP_T", "CLAMP_TO_EDGE"]])
    gl.texParameteri(gl.TEXTURE_2D, gl["TEXTURE_" + name], gl[value]);
  gl.enable(gl.DEPTH_TEST);
  gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  return {
    shape,
    body(matrix, person, bones, sure, shift, color, bySure) {
      gl.useProgram(skin.made);
      gl.bindVertexArray(person.mesh);
      const way = [Math.sin(view.yaw - 0.6), -Math.cos(view.yaw - 0.6), 0.8].map(v => v / Math.hypot(1, 0.8));
      gl.uniformMatrix4fv(skin.at("camera"), false, matrix);
      gl.uniform4fv(skin.at("bones"), bones);
      gl.uniform1fv(skin.at("sure"), sure);
      gl.uniform3fv(skin.at("shift"), shift);
      gl.uniform3fv(skin.at("color"), color);
      gl.uniform3fv(skin.at("lamp"), way);
      gl.uniform1i(skin.at("bySure"), bySure);
      gl.uniform4fv(skin.at("scale"), data.scale.flat());
      gl.drawElements(gl.TRIANGLES, faces.length, data.wide ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT, 0);
    },
    flat(matrix, made, kind, fade = 1, count = made.count) {
      gl.useProgram(flat.made);
      gl.bindVertexArray(made.array);
      gl.uniformMatrix4fv(flat.at("camera"), false, matrix);
      gl.uniform1f(flat.at("fade"), fade);
      gl.enable(gl.BLEND); gl.depthMask(false);
      gl.drawArrays(kind, 0, count);
      gl.disable(gl.BLEND); gl.depthMask(true);
    },
    loose(matrix, vertices, kind) {
      if (!vertices.length) return;
      gl.bindBuffer(gl.ARRAY_BUFFER, loose.buffer);
      gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(vertices), gl.DYNAMIC_DRAW);
      this.flat(matrix, loose, kind, 1, vertices.length / 7);
    },
    picture(matrix, corners, image) { // corners: top left, top right, bottom right, bottom left
      gl.useProgram(photo.made);
      gl.bindVertexArray(quad.array);
      gl.bindBuffer(gl.ARRAY_BUFFER, quad.buffer);
      const uv = [[0, 0], [1, 0], [1, 1], [0, 1]];
      gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(corners.flatMap((c, i) => [...c, ...uv[i]])), gl.DYNAMIC_DRAW);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      if (texture.image !== image) { gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, image); texture.image = image; }
      gl.uniformMatrix4fv(photo.at("camera"), false, matrix);
      gl.drawArrays(gl.TRIANGLE_FAN, 0, 4);
    },
  };
}
function normalsOf(v, faces) {
  const out = new Float32Array(v.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [faces[f] * 3, faces[f + 1] * 3, faces[f + 2] * 3], e = [0, 1, 2].map(i => v[b + i] - v[a + i]), g = [0, 1, 2].map(i => v[c + i] - v[a + i]);
    const n = [e[1] * g[2] - e[2] * g[1], e[2] * g[0] - e[0] * g[2], e[0] * g[1] - e[1] * g[0]];
    for (const o of [a, b, c]) for (let i = 0; i < 3; i++) out[o + i] += n[i];
  }
  return out;
}

// --- the scene --------------------------------------------------------------------------------------------------------
const [low, high] = data.extent, LIMIT = 30;
const middle = [0, 1].map(i => (low[i] + high[i]) / 2);
view.target = [...middle, 0.9];
{ // from the side of the camera, far enough to see all of the paths, and the camera if it is not far
  const [dx, dy, dz] = filmed(0).at.map((v, i) => v - [...middle, 0.9][i]), away = Math.hypot(dx, dy, dz);
  view.yaw += Math.hypot(dx, dy) > 1e-6 ? Math.atan2(dx, -dy) : 0;
  view.distance = Math.max(Math.min(LIMIT, 4.4 + 1.2 * Math.hypot(high[0] - low[0], high[1] - low[1])), away < 7 ? away + 1.5 : 0);
}
const grid = [];
{
  const reach = [0, 1].map(i => Math.min(LIMIT, Math.ceil((high[i] - low[i]) / 2 + 2))), at = middle.map(Math.round);
  const add = (a, b, strong) => { for (const p of [a, b]) grid.push(...p, 0.5, 0.5, 0.5, strong ? 0.55 : 0.25); };
  for (let x = at[0] - reach[0]; x <= at[0] + reach[0]; x++) add([x, at[1] - reach[1], 0], [x, at[1] + reach[1], 0], x % 5 === 0);
  for (let y = at[1] - reach[1]; y <= at[1] + reach[1]; y++) add([at[0] - reach[0], y, 0], [at[0] + reach[0], y, 0], y % 5 === 0);
}
function pathOf(person) { // a ribbon on the floor; the number of its corners up to each frame
  const shape = [], upTo = new Int32Array(frames), p = person.moves.after.pelvis;
  for (let t = 0; t < frames; t++) {
    const a = t ? person.at[t - 1] : -1, b = person.at[t];
    if (a >= 0 && b >= 0) {
      const [x, y, u, v] = [p[a * 3], p[a * 3 + 1], p[b * 3], p[b * 3 + 1]], length = Math.hypot(u - x, v - y);
      if (length > 1e-5) {
        const [nx, ny] = [-(v - y) / length * 0.016, (u - x) / length * 0.016];
        for (const [px, py] of [[x + nx, y + ny], [x - nx, y - ny], [u + nx, v + ny], [u + nx, v + ny], [x - nx, y - ny], [u - nx, v - ny]])
          shape.push(px, py, 0.006, ...person.color, 1);
      }
    }
    upTo[t] = shape.length / 7;
  }
  return { shape, upTo };
}
const floor = draw && draw.shape(grid);
if (draw) for (const person of people) { const path = pathOf(person); person.path = draw.shape(path.shape); person.upTo = path.upTo; }
const images = data.pictures.map(([t, source]) => ({ t, source, image: null }));
function pictureAt(t) {
  let found = null;
  for (const p of images) if (!found || p.t <= t) found = p; else break;
  if (found && !found.image) { found.image = new Image(); found.image.src = found.source; }
  return found && found.image.complete && found.image.naturalWidth ? (pictureAt.last = found.image) : pictureAt.last;
}
function frustum(t, depth) { // place, and the picture's corners from top left, clockwise
  const { R, at } = filmed(t), [w, h] = data.camera.size, [cx, cy] = data.camera.center, f = data.camera.focal;
  return { at, corners: [[0, 0], [w, 0], [w, h], [0, h]].map(([x, y]) => added(at, turnedBack(R, [(x - cx) / f * depth, (y - cy) / f * depth, depth]))) };
}
const foot = document.querySelector("footer"), paper = $("lines").getContext("2d");
function line(matrix, a, b, color, width) {
  const [p, q] = [a, b].map(v => [0, 1, 3].map(r => matrix[r] * v[0] + matrix[4 + r] * v[1] + matrix[8 + r] * v[2] + matrix[12 + r]));
  if (p[2] < 0.05 || q[2] < 0.05) return;
  const [w, h] = [paper.canvas.width, paper.canvas.height];
  paper.strokeStyle = color; paper.lineWidth = width * devicePixelRatio; paper.lineCap = "round";
  paper.beginPath();
  for (const v of [p, q]) paper.lineTo((v[0] / v[2] + 1) * w / 2, (1 - v[1] / v[2]) * h / 2);
  paper.stroke();
}
const css = color => `rgb(${color.map(c => Math.round(c * 255))})`;
function sureColor(value) {
  let color = data.scale[0].slice(1);
  for (let i = 1; i < data.scale.length; i++) {
    const share = Math.max(0, Math.min(1, (value - data.scale[i - 1][0]) / (data.scale[i][0] - data.scale[i - 1][0])));
    color = color.map((c, k) => c * (1 - share) + data.scale[i][k + 1] * share);
  }
  return color;
}
const visible = i => $("people").children[i].querySelector("input").checked;
const sureOf = (person, t) => Float32Array.from({ length: JOINTS }, (_, j) => person.confidence ? person.confidence[person.at[t] * JOINTS + j] / 255 : 1);

function render() {
  const [w, h] = [innerWidth, innerHeight - foot.offsetHeight].map(v => Math.max(1, Math.round(v * devicePixelRatio)));
  if ($("mesh").style.bottom !== `${foot.offsetHeight}px`) for (const c of [$("mesh"), $("lines")]) c.style.height = `calc(100vh - ${c.style.bottom = `${foot.offsetHeight}px`})`;
  for (const c of [$("mesh"), $("lines")]) if (c.width !== w || c.height !== h) { c.width = w; c.height = h; }
  const t = frameAt(seconds), span = t + 1 < frames ? times[t + 1] - times[t] : 1, on = id => $(id).checked;
  const share = playing && data.fps < 25 ? Math.min(1, (seconds - times[t]) / span) : 0; // clips of a low rate move in between, too
  const shown = people.flatMap((person, i) => !visible(i) ? [] : ["before", "after"].filter(on).flatMap(when => {
    const pose = posed(person, when, t, share);
    return pose ? [{ person, i, when, ...pose }] : [];
  }));
  const mode = $("mode").value, leader = shown.find(s => s.i === followed) || shown[0];
  if (mode === "follow" && leader && !on("inplace")) view.target = [leader.joints[0][0], leader.joints[0][1], view.target[2]];
  const matrix = mode === "camera" ? throughCamera(t, w / h) : fromOutside(w / h), image = on("cam") && pictureAt(t);
  paper.clearRect(0, 0, w, h);
  if (draw) {
    gl.viewport(0, 0, w, h); gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (mode === "camera" && image) { gl.disable(gl.DEPTH_TEST); draw.picture(matrix, frustum(t, 10).corners, image); gl.enable(gl.DEPTH_TEST); }
    draw.flat(matrix, floor, gl.LINES);
  } else for (let i = 0; i < grid.length; i += 14) line(matrix, grid.slice(i, i + 3), grid.slice(i + 7, i + 10), "#8885", 1);
  const marks = [];
  shown.forEach((s, n) => {
    const beside = (n - (shown.length - 1) / 2) * 0.9, root = s.joints[0];
    const shift = on("inplace") ? [view.target[0] + Math.cos(view.yaw) * beside - root[0], view.target[1] + Math.sin(view.yaw) * beside - root[1], 0] : [0, 0, 0];
    const before = s.when === "before", grey = s.person.color.map(c => 0.45 * c + 0.35);
    const color = !before ? s.person.color : people.length === 1 ? data.beforeColor : grey;
    const bySure = on("sure") && !before && !!s.person.confidence, sure = bySure ? sureOf(s.person, t) : new Float32Array(JOINTS);
    if (draw && on("surface")) draw.body(matrix, s.person, s.bones, sure, shift, color, bySure);
    if (!draw || !on("surface") || on("skeleton")) {
      const joints = s.joints.map(p => added(p, shift)), dark = draw && on("surface") ? 0.45 : 1;
      data.parents.forEach((p, j) => { if (p >= 0) line(matrix, joints[p], joints[j], css((bySure ? sureColor(sure[j]) : color).map(c => c * dark)), 3); });
    }
    if (!before && on("contacts") && s.person.contacts) data.feet.forEach((joint, k) => {
      const held = s.person.contacts[s.person.at[t] * 4 + k] / 255, [x, y] = added(s.joints[joint], shift);
      if (held > 0.1) for (let a = 0; a < 16; a++) for (const [r, angle] of [[0, 0], [0.07, a], [0.07, a + 1]])
        marks.push(x + r * Math.cos(angle * Math.PI / 8), y + r * Math.sin(angle * Math.PI / 8), 0.008, 0.13, 0.7, 0.35, 0.85 * held);
    });
  });
  if (draw) {
    if (on("path") && !on("inplace") && on("after")) people.forEach((person, i) => {
      if (visible(i)) { draw.flat(matrix, person.path, gl.TRIANGLES, 0.3); draw.flat(matrix, person.path, gl.TRIANGLES, 0.9, person.upTo[t]); }
    });
    draw.loose(matrix, marks, gl.TRIANGLES);
    if (on("cam") && mode !== "camera" && !on("inplace")) {
      const near = Math.min(Math.hypot(...filmed(t).at.map((v, i) => v - [...middle, 0.9][i])), 20), { at, corners } = frustum(t, Math.max(0.3, near * 0.3));
      if (image) draw.picture(matrix, corners, image);
      draw.loose(matrix, corners.flatMap((c, i) => [at, c, c, corners[(i + 1) % 4]]).flatMap(p => [...p, 0.5, 0.5, 0.55, 0.9]), gl.LINES);
    }
  }
  tell(t);
}
function tell(t) {
  $("scrub").value = t;
  $("time").textContent = `${times[t].toFixed(2)} s, frame ${numbers[t]}`;
  people.forEach((person, i) => {
    const item = $("people").children[i], here = person.at[t] >= 0, label = person.labels.find(l => l[0] <= t && t < l[1]);
    const said = !here ? (people.length > 1 ? "not there" : "") : label ? label[2] || "no label" : "";
    item.className = here ? "" : "away";
    if (item.lastElementChild.textContent !== said) item.lastElementChild.textContent = said;
  });
  const x = Math.round(t / Math.max(1, frames - 1) * strip.width), pen = strip.getContext("2d");
  if (tell.strip) { pen.putImageData(tell.strip, 0, 0); pen.fillStyle = "#888"; pen.fillRect(x - 1, 0, 2, strip.height); }
}

// --- the strip above the time: who is there, and where they are a guess -------------------------------------------------
const strip = $("strip");
function drawStrip() {
  const high = people.length > 1 ? 6 : 8, pen = strip.getContext("2d", { willReadFrequently: true });
  strip.width = Math.max(100, strip.clientWidth); strip.height = people.length * high; strip.style.height = `${strip.height}px`;
  people.forEach((person, i) => {
    for (let x = 0; x < strip.width; x++) {
      const row = person.at[Math.min(frames - 1, Math.floor(x / strip.width * frames))];
      if (row < 0) continue;
      let guessed = 0;
      if (person.confidence) for (let j = 1; j < JOINTS; j++) guessed += person.confidence[row * JOINTS + j] < data.scale[1][0] * 255;
      const up = Math.round((high - 1) * guessed / (JOINTS - 1));
      pen.fillStyle = css(person.color); pen.fillRect(x, i * high, 1, high - 1 - up);
      pen.fillStyle = css(data.scale[0].slice(1)); pen.fillRect(x, i * high + high - 1 - up, 1, up);
    }
  });
  tell.strip = pen.getImageData(0, 0, strip.width, strip.height);
}
strip.onpointerdown = event => { play(false); seconds = times[Math.min(frames - 1, Math.floor(event.offsetX / strip.clientWidth * frames))]; };
addEventListener("resize", drawStrip);

// --- playing and turning --------------------------------------------------------------------------------------------
let last = performance.now();
function tick(time) {
  if (playing) seconds = (seconds + (time - last) / 1000 * $("speed").value) % duration;
  last = time;
  render();
  requestAnimationFrame(tick);
}
function play(on) { playing = on && frames > 1; $("play").textContent = playing ? "Pause" : "Play"; }
$("play").onclick = () => play(!playing);
$("helping").onclick = () => { $("help").hidden = !$("help").hidden; };
$("sure").onchange = () => { $("legend").hidden = !$("sure").checked; };
$("legend").firstElementChild.style.background = `linear-gradient(90deg, ${data.scale.map(([at, ...color]) => `${css(color)} ${at / data.scale.at(-1)[0] * 100}%`)})`;
$("mode").onchange = () => { if ($("mode").value === "world") view.target = [...middle, 0.9]; };
people.forEach((person, i) => { const name = $("people").children[i].querySelector("b"); name.style.color = css(person.color); });
if (!people.some(p => p.confidence)) $("sure").closest("label").hidden = true;
if (!people.some(p => p.contacts)) $("contacts").closest("label").hidden = true;
$("scrub").max = frames - 1;
$("scrub").oninput = event => { play(false); seconds = times[+event.target.value]; };
const BOXES = { b: "before", a: "after", m: "surface", s: "skeleton", c: "sure", t: "contacts", p: "path", k: "cam", i: "inplace" };
const MODES = { w: "world", f: "follow", v: "camera" };
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase(), typing = event.target.tagName === "SELECT";
  if (key === " ") { event.preventDefault(); play(!playing); }
  const step = { arrowleft: -1, arrowright: 1 }[key], faster = { arrowup: 1, arrowdown: -1 }[key];
  if (step && event.target !== $("scrub") && !typing) { play(false); seconds = times[(frameAt(seconds) + step + frames) % frames]; }
  if (faster && !typing) { event.preventDefault(); $("speed").selectedIndex = Math.max(0, Math.min($("speed").length - 1, $("speed").selectedIndex + faster)); }
  if (BOXES[key] && !typing) $(BOXES[key]).click();
  if (MODES[key] && !typing) { $("mode").value = MODES[key]; $("mode").onchange(); }
  if (key === "h" || key === "?") $("helping").click();
  if (key >= "1" && key <= "9" && people[key - 1] && !typing) { followed = key - 1; $("mode").value = "follow"; }
});
const fingers = new Map();
$("lines").onpointerdown = event => { fingers.set(event.pointerId, event); $("lines").setPointerCapture(event.pointerId); };
$("lines").onpointerup = $("lines").onpointercancel = event => fingers.delete(event.pointerId);
$("lines").onpointermove = event => {
  const before = fingers.get(event.pointerId), dx = before && event.clientX - before.clientX, dy = before && event.clientY - before.clientY;
  if (!before) return;
  if (fingers.size === 2) {
    const other = [...fingers.values()].find(f => f.pointerId !== event.pointerId);
    const span = f => Math.hypot(f.clientX - other.clientX, f.clientY - other.clientY);
    zoom(span(before) / Math.max(1, span(event)));
  } else if (event.shiftKey || event.buttons === 4) {
    const k = view.distance / innerHeight;
    view.target = added(view.target, [-dx * k * Math.cos(view.yaw), -dx * k * Math.sin(view.yaw), dy * k]);
  } else {
    view.yaw -= dx * 0.008;
    view.pitch = Math.max(-1.5, Math.min(1.5, view.pitch + dy * 0.008));
  }
  fingers.set(event.pointerId, event);
};
const zoom = factor => { view.distance = Math.max(0.8, Math.min(60, view.distance * factor)); };
$("lines").addEventListener("wheel", event => { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.001)); }, { passive: false });
const wanted = new URLSearchParams(location.hash.slice(1)); // #t=1.5&mode=camera&sure opens the page like that
for (const [name, value] of wanted) {
  if (name === "t") { play(false); seconds = Math.max(0, Math.min(times[frames - 1], +value || 0)); }
  else if (name === "mode" && Object.values(MODES).includes(value)) $("mode").value = value;
  else if (Object.values(BOXES).includes(name)) { $(name).checked = value !== "0"; if ($(name).onchange) $(name).onchange(); }
}
if (!wanted.has("t")) play(playing);
drawStrip();
requestAnimationFrame(tick);
