import { widget } from "../views/render.js";
import { workbench } from "../views/workbench.js";

export default widget("NN Workbench", workbench);
