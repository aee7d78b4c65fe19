import { widget } from "../views/render.js";
import { roundoffMap } from "../views/roundoff.js";

export default widget("map of rounding errors", roundoffMap);
