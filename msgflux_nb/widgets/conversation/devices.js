// @ts-check
// Camera and microphone: a picture as a JPEG file, a recording as a WAV file.

import { textButton } from "../base/controls.js";
import { element } from "../base/dom.js";

const SAMPLES_PER_SECOND = 16000;
const LONGEST_SECONDS = 600; // of sound, 19 MB

/**
 * Return why there is no camera or microphone, or "".
 * @returns {string}
 */
export function deviceProblem() {
  const devices = /** @type {MediaDevices | undefined} */ (navigator.mediaDevices);
  if (devices) return "";
  return "only on pages that are loaded over https or from this machine: the browser allows it nowhere else";
}

/**
 * Return what a person can do about a device that does not work.
 * @param {unknown} error
 * @param {string} device
 * @returns {string}
 */
export function deviceError(error, device) {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError") return `the browser did not allow the ${device}: allow it for this page, or use a file`;
  if (name === "NotFoundError") return `there is no ${device} here: use a file`;
  return `the ${device} cannot be used: ${error}`;
}

/**
 * Make a panel with the camera's picture.
 * @param {(file: File) => void} take
 * @param {() => void} close
 * @returns {Promise<{ node: HTMLElement, end: () => void }>}
 */
export async function cameraPanel(take, close) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1568 } } });
  const video = /** @type {HTMLVideoElement} */ (element("video", { "aria-label": "camera", playsinline: true }));
  video.muted = true;
  video.srcObject = stream;
  const shoot = textButton("Take the picture", "take the picture", async () => {
    const file = await frameOf(video);
    if (file) take(file);
    close();
  });
  shoot.toggleAttribute("disabled", true);
  video.addEventListener("loadeddata", () => shoot.toggleAttribute("disabled", false));
  await video.play();
  return { node: element("div", { class: "mf-camera" }, video, shoot), end: () => endOf(stream) };
}

/** @param {MediaStream} stream */
function endOf(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/**
 * @param {HTMLVideoElement} video
 * @returns {Promise<File | null>}
 */
async function frameOf(video) {
  const canvas = /** @type {HTMLCanvasElement} */ (element("canvas"));
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  return blob && new File([blob], "camera.jpg", { type: "image/jpeg" });
}

/**
 * Make a panel that records from the microphone until it is stopped.
 * @param {(file: File) => void} take
 * @param {() => void} close
 * @param {(problem: string) => void} fail
 * @returns {Promise<{ node: HTMLElement, end: () => void }>}
 */
export async function microphonePanel(take, close, fail) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream);
  /** @type {Blob[]} */
  const pieces = [];
  const began = Date.now();
  const time = element("span", { class: "mf-time", role: "timer", "aria-label": "recording" }, "● 0.0 s");
  const ticking = setInterval(() => {
    const seconds = (Date.now() - began) / 1000;
    time.textContent = `● ${seconds.toFixed(1)} s`;
    if (seconds > LONGEST_SECONDS) keep();
  }, 100);
  let kept = false;

  recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
  recorder.addEventListener("stop", async () => {
    if (!kept) return;
    try {
      const wave = await waveOf(new Blob(pieces, { type: recorder.mimeType }));
      take(new File([wave], "recording.wav", { type: "audio/wav" }));
    } catch (error) {
      fail(`the recording cannot be read: ${error}`);
    }
    close();
  });
  recorder.start();

  function keep() {
    kept = true;
    end();
  }

  function end() {
    clearInterval(ticking);
    if (recorder.state !== "inactive") recorder.stop();
    endOf(stream);
  }

  const stop = textButton("Stop and keep", "stop the recording and keep it", keep, { icon: "stop", kind: "mf-line" });
  return { node: element("div", { class: "mf-microphone" }, time, stop), end };
}

/**
 * Convert sound to a WAV file of 16 bits, mono, 16 kHz, which every model with sound accepts.
 * @param {Blob} sound anything that the browser plays
 * @returns {Promise<Blob>}
 */
export async function waveOf(sound) {
  const context = new OfflineAudioContext(1, 1, SAMPLES_PER_SECOND);
  const decoded = await context.decodeAudioData(await sound.arrayBuffer());
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, index) => decoded.getChannelData(index));
  const file = new DataView(new ArrayBuffer(44 + 2 * decoded.length));
  const numbers = [36 + 2 * decoded.length, 16, SAMPLES_PER_SECOND, 2 * SAMPLES_PER_SECOND, 2 * decoded.length];
  [4, 16, 24, 28, 40].forEach((offset, index) => file.setUint32(offset, numbers[index], true));
  [1, 1].forEach((value, index) => file.setUint16(20 + 2 * index, value, true));
  [2, 16].forEach((value, index) => file.setUint16(32 + 2 * index, value, true));
  for (const [offset, word] of /** @type {[number, string][]} */ ([[0, "RIFF"], [8, "WAVEfmt "], [36, "data"]])) {
    [...word].forEach((letter, index) => file.setUint8(offset + index, letter.charCodeAt(0)));
  }
  for (let index = 0; index < decoded.length; index += 1) {
    const mean = channels.reduce((sum, channel) => sum + channel[index], 0) / channels.length;
    file.setInt16(44 + 2 * index, Math.round(Math.max(-1, Math.min(1, mean)) * 32767), true);
  }
  return new Blob([file.buffer], { type: "audio/wav" });
}
