import { relaxationExplorer } from "../views/relaxation.js";
import { widget } from "../views/render.js";

export default widget("relaxations of one operator and of a network", relaxationExplorer);
