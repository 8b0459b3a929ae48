"""ResNet18 on TrashNet, written like public scripts: PIL decodes every photo in every epoch, torchvision's transforms, a
DataLoader with two workers, fp32, the loss read after every step, the state saved after every epoch.

    python torch_plain.py IMAGES --train INDEX --validation INDEX [--size WIDTHxHEIGHT] [--batch N] [--epochs N]

Prints a line of JSON for each epoch. Environment: torch, torchvision, pillow.
"""

import tempfile
import time
from pathlib import Path

import torch
from photos import CLASSES, DEVIATION, MEAN, SGD, peer_arguments, print_epoch, read_index
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.models import resnet18

# Such scripts set 2 to 4. More workers than cores only cost time.
WORKERS = 2


class Photos(Dataset):
    def __init__(self, images, index, transform):
        self.images, self.index, self.transform = Path(images), read_index(index), transform

    def __len__(self):
        return len(self.index)

    def __getitem__(self, position):
        path, label = self.index[position]
        return self.transform(Image.open(self.images / path).convert("RGB")), label


def train(model, loader, criterion, optimizer):
    model.train()
    total_loss, correct = 0.0, 0
    for images, labels in loader:
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(labels)
        correct += (outputs.argmax(1) == labels).sum().item()
    return len(loader.dataset), total_loss / len(loader.dataset), correct / len(loader.dataset)


def evaluate(model, loader, criterion):
    model.eval()
    total_loss, correct = 0.0, 0
    with torch.no_grad():
        for images, labels in loader:
            outputs = model(images)
            total_loss += criterion(outputs, labels).item() * len(labels)
            correct += (outputs.argmax(1) == labels).sum().item()
    return len(loader.dataset), total_loss / len(loader.dataset), correct / len(loader.dataset)


def main():
    arguments = peer_arguments(__doc__).parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    width, height = arguments.size
    normalise = [transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)]
    resize = transforms.Resize((height, width))
    augmented = transforms.Compose([resize, transforms.RandomHorizontalFlip(), *normalise])
    training = Photos(arguments.images, arguments.train, augmented)
    validation = Photos(arguments.images, arguments.validation, transforms.Compose([resize, *normalise]))
    training = DataLoader(training, batch_size=arguments.batch, shuffle=True, num_workers=WORKERS)
    validation = DataLoader(validation, batch_size=arguments.batch, shuffle=False, num_workers=WORKERS)

    model = resnet18()
    model.fc = nn.Linear(model.fc.in_features, len(CLASSES))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), **SGD)
    with tempfile.TemporaryDirectory() as folder:
        for epoch in range(1, arguments.epochs + 1):
            start = time.perf_counter()
            trained = train(model, training, criterion, optimizer)
            middle = time.perf_counter()
            evaluated = evaluate(model, validation, criterion)
            end = time.perf_counter()
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, f"{folder}/checkpoint.pth")
            print_epoch(epoch, (middle - start, *trained), (end - middle, *evaluated))


if __name__ == "__main__":
    main()
