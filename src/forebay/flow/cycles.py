"""Which of the nodes of a graph lie on cycles together: its strongly connected components. Pure.

Source: R. Tarjan, Depth-first search and linear graph algorithms (1972), without recursion.
"""

from collections.abc import Iterator, Mapping, Sequence


def components(graph: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Its components, each after all that it leads to. Every node has to be a key."""
    found: list[list[str]] = []
    number, low, path = dict[str, int](), dict[str, int](), dict[str, None]()
    for root in graph:
        if root in number:
            continue
        trail: list[tuple[str, Iterator[str]]] = [(root, _enter(root, graph, number, low, path))]
        while trail:
            node, rest = trail[-1]
            following = next((one for one in rest if one not in number or _lower(node, one, low, number, path)), None)
            if following is not None:
                trail.append((following, _enter(following, graph, number, low, path)))
                continue
            trail.pop()
            if trail:
                low[trail[-1][0]] = min(low[trail[-1][0]], low[node])
            if low[node] == number[node]:
                found.append(_leave(node, path))
    return found


def _enter(
    node: str, graph: Mapping[str, Sequence[str]], number: dict[str, int], low: dict[str, int], path: dict[str, None]
) -> Iterator[str]:
    number[node] = low[node] = len(number)
    path[node] = None
    return iter(graph[node])


def _lower(node: str, seen: str, low: dict[str, int], number: dict[str, int], path: dict[str, None]) -> bool:
    """A node that was entered before: whoever leads back to one on the path is of its component. Never followed."""
    if seen in path:
        low[node] = min(low[node], number[seen])
    return False


def _leave(node: str, path: dict[str, None]) -> list[str]:
    """All that was entered since, and has not been left."""
    one: list[str] = []
    while not one or one[-1] != node:
        one.append(path.popitem()[0])
    return one
