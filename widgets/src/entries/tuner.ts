import { widget } from "../views/render.js";
import { precisionTuner } from "../views/tuner.js";

export default widget("number formats of layers, and the margin of the proof", precisionTuner);
