import { floatInspector } from "../views/float.js";
import { widget } from "../views/render.js";

export default widget("a number's bits", floatInspector);
