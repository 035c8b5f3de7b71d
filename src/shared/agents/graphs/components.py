"""Which nodes of a graph can reach each other."""

from collections.abc import Iterator, Mapping, Sequence


def components(follows: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """The strongly connected components (R. Tarjan, 1972), without recursion: a graph may be one long chain."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    stacked: set[str] = set()
    for root in follows:
        if root in index:
            continue
        path = [(root, iter(follows[root]))]
        while path:
            node, successors = path[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                stacked.add(node)
            new = None
            for successor in successors:
                if successor not in index:
                    new = successor
                    break
                if successor in stacked:
                    low[node] = min(low[node], index[successor])
            if new is not None:
                path.append((new, iter(follows[new])))
                continue
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[node])
            if low[node] == index[node]:
                component = [stack.pop()]
                while component[-1] != node:
                    component.append(stack.pop())
                stacked.difference_update(component)
                yield component
