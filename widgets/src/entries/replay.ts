import { widget } from "../views/render.js";
import { replayView } from "../views/replay.js";

export default widget("one neuron, operation by operation", replayView);
