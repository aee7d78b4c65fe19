import { widget } from "../views/render.js";
import { tapeView } from "../views/tape.js";

export default widget("tape: forward and backward graph", tapeView);
