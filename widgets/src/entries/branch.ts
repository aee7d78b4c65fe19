import { branchView } from "../views/branch.js";
import { widget } from "../views/render.js";

export default widget("proof tree", branchView);
