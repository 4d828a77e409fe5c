// For editors alone: `make check` has the traits and messages of each widget's class in place of these.
interface Traits {
  kept: number;
  [name: string]: any;
}
type Handled = string;
